import { PreprocessError } from './error.ts';
import type { PictureFormat, PictureHeader } from './header.ts';
import { turnUpright } from './orientation.ts';
import type { Picture } from './picture.ts';
import { readPictureHeader } from './read-header.ts';

/** What a decoder gives: 8 bits a channel, row after row, alpha not premultiplied. */
export interface DecodedPixels {
  readonly width: number;
  readonly height: number;
  /** RGB or RGBA. */
  readonly channels: 3 | 4;
  readonly data: Uint8Array | Uint8ClampedArray;
}

/** A decoder that could not be had, which is no fault of the picture. */
export class DecoderAbsent extends Error {
  override readonly name = 'DecoderAbsent';
}

/**
 * Decodes bytes that are known to be of the format, without turning them upright. Rejects where they are broken, and
 * with DecoderAbsent.
 */
export type Decoder = (bytes: Uint8Array) => Promise<DecodedPixels>;

/** The codecs come from the host: native ones when training, WebAssembly ones when serving. */
export type Decoders = Readonly<Record<PictureFormat, Decoder>>;

/** What is refused as `too-large`, told from a picture's header. */
export interface PictureLimits {
  readonly maxPixels: number;
  /** Of the longer side: a sliver costs more to resize than its area tells. */
  readonly maxSide: number;
}

/** Decoding with WebAssembly holds about 11 bytes a pixel at its peak: RGBA in the codec, its copy, and RGB. */
export const defaultPictureLimits: PictureLimits = { maxPixels: 50_000_000, maxSide: 16_384 };

/**
 * Decodes a JPEG, PNG or WebP file as Pillow's `exif_transpose(image).convert('RGB')` would: grey becomes RGB,
 * transparency is dropped (not blended), colour profiles are ignored, the picture is turned upright as its EXIF says.
 * Whatever can be told from the headers is checked before decoding: format, size, completeness. Throws
 * PreprocessError: `unsupported-format`, `too-large`, `truncated` or `corrupt`.
 */
export async function decodePicture(
  bytes: Uint8Array,
  decoders: Decoders,
  limits: PictureLimits = defaultPictureLimits,
): Promise<Picture> {
  const header = checkPicture(bytes, limits);
  const pixels = await decode(bytes, header, decoders);
  if (pixels.width !== header.width || pixels.height !== header.height) {
    throw new PreprocessError(
      'corrupt',
      `the header says ${header.width}×${header.height}, the data is ${pixels.width}×${pixels.height}`,
    );
  }
  return turnUpright(dropAlpha(pixels), header.orientation);
}

/** The checks of `decodePicture` that need no decoding. */
export function checkPicture(bytes: Uint8Array, limits: PictureLimits = defaultPictureLimits): PictureHeader {
  const header = readPictureHeader(bytes);
  expectWithin(header, limits);
  if (!header.complete)
    throw new PreprocessError('truncated', `a ${header.format} that ends too early (${bytes.length} bytes)`);
  return header;
}

/** PreprocessError `too-large` for a picture beyond the limits, whatever its format. */
export function expectWithin(
  { format, width, height }: { readonly format: string; readonly width: number; readonly height: number },
  { maxPixels, maxSide }: PictureLimits = defaultPictureLimits,
): void {
  if (width * height <= maxPixels && Math.max(width, height) <= maxSide) return;
  throw new PreprocessError(
    'too-large',
    `a ${format} of ${width}×${height} pixels: at most ${maxPixels} pixels and ${maxSide} a side are accepted`,
  );
}

async function decode(bytes: Uint8Array, { format }: PictureHeader, decoders: Decoders): Promise<DecodedPixels> {
  try {
    return await decoders[format](bytes);
  } catch (error) {
    if (error instanceof DecoderAbsent) throw error;
    throw new PreprocessError(
      'corrupt',
      `a ${format} that can't be decoded (${error instanceof Error ? error.message : String(error)})`,
    );
  }
}

function dropAlpha({ width, height, channels, data }: DecodedPixels): Picture {
  if (channels === 3) return { width, height, data: new Uint8Array(data.buffer, data.byteOffset, data.length) };
  const rgb = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < rgb.length; from += 4, to += 3) {
    rgb[to] = data[from];
    rgb[to + 1] = data[from + 1];
    rgb[to + 2] = data[from + 2];
  }
  return { width, height, data: rgb };
}
