/** GIF, BMP, TIFF and AVIF: what people's folders hold beside the formats that are served. */
import { defaultPictureLimits, expectWithin, type PictureLimits } from '../../runtime/preprocess/decode.ts';
import { PreprocessError } from '../../runtime/preprocess/error.ts';
import type { Picture } from '../../runtime/preprocess/picture.ts';
import { messageOf } from '../io/errors.ts';
import { decodeBmp, readBmpHeader } from './bmp.ts';
import type { OtherFormat } from './picture-formats.ts';
import { loadSharp, rgbOf } from './sharp-decoders.ts';

/**
 * The checks that need no decoding: whether it can be read, its size, that it is one picture. Throws PreprocessError:
 * `unsupported-format`, `too-large`, `truncated` or `corrupt`.
 */
export async function checkOther(
  bytes: Uint8Array,
  format: OtherFormat,
  limits: PictureLimits = defaultPictureLimits,
): Promise<void> {
  if (format === 'bmp') return expectWithin({ format, ...readBmpHeader(bytes) }, limits);
  const { width, height, pages = 1, depth, space, compression } = await headerOf(bytes, format);
  expectWithin({ format, width, height }, limits);
  const unsupported = (what: string): PreprocessError => new PreprocessError('unsupported-format', what);
  if (pages > 1) throw unsupported(`a ${format} of ${pages} pictures: expected one`);
  if (format === 'avif' && compression !== 'av1') throw unsupported(`an avif compressed with ${compression}`);
  if (space === 'cmyk') throw unsupported(`a ${format} in CMYK (printing colours): save it as RGB`);
  if (!READ_SPACES.includes(space) || !READ_DEPTHS.includes(depth))
    throw unsupported(`a ${format} of ${depth} samples in ${space}: save it as RGB of 8 bits`);
}

/** libvips's words for grey and RGB of 8 and 16 bits; others (numbers measured, layers) have no one look as RGB. */
const READ_SPACES = ['srgb', 'rgb', 'b-w', 'rgb16', 'grey16'];
const READ_DEPTHS = ['uchar', 'ushort'];

/**
 * Decodes as `decodePicture` does: grey becomes RGB, transparency is dropped, colour profiles are ignored, and it is
 * turned upright. What a GIF leaves transparent is black. Throws PreprocessError.
 */
export async function decodeOther(bytes: Uint8Array, format: OtherFormat): Promise<Picture> {
  await checkOther(bytes, format);
  if (format === 'bmp') return decodeBmp(bytes);
  const sharp = await loadSharp();
  try {
    // The dimensions were checked; libheif and libtiff leave nothing of an AVIF's or a TIFF's turning undone then.
    const { width, height, data } = await rgbOf(sharp(bytes, READ_OPTIONS).autoOrient());
    return { width, height, data: new Uint8Array(data.buffer, data.byteOffset, data.length) };
  } catch (error) {
    throw undecodable(format, error);
  }
}

const READ_OPTIONS = { failOn: 'error', limitInputPixels: false, ignoreIcc: true } as const;

async function headerOf(
  bytes: Uint8Array,
  format: OtherFormat,
): Promise<Awaited<ReturnType<ReturnType<Awaited<ReturnType<typeof loadSharp>>>['metadata']>>> {
  const sharp = await loadSharp();
  return sharp(bytes, READ_OPTIONS)
    .metadata()
    .catch((error: unknown) => {
      throw undecodable(format, error);
    });
}

function undecodable(format: OtherFormat, error: unknown): PreprocessError {
  return new PreprocessError('corrupt', `a ${format} that can't be decoded (${messageOf(error).trim()})`);
}
