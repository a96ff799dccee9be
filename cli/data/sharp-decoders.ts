import type { DecodedPixels, Decoders } from '../../runtime/preprocess/decode.ts';

/**
 * Decoding with sharp (libvips). Measured against the WebAssembly decoders that serve requests: as fast on small
 * pictures, six times as fast on 12-megapixel photographs, and the same pixels (test/data/sharp-decoders.test.ts).
 * Colour profiles are left alone, as Pillow and the serving decoders do.
 */
export const sharpDecoders: Decoders = { jpeg: decodeWithSharp, png: decodeWithSharp, webp: decodeWithSharp };

async function decodeWithSharp(bytes: Uint8Array): Promise<DecodedPixels> {
  const sharp = await loadSharp();
  // decodePicture has checked the dimensions against its own limit.
  return rgbOf(sharp(bytes, { failOn: 'error', limitInputPixels: false, ignoreIcc: true }));
}

/** What comes out of a pipeline of sharp's, as RGB of 8 bits, its transparency dropped. */
export async function rgbOf(input: SharpInput): Promise<DecodedPixels> {
  const { data, info } = await input
    .toColourspace('srgb')
    .removeAlpha()
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, channels: 3, data };
}

type Sharp = typeof import('sharp').default;
type SharpInput = import('sharp').Sharp;

let loading: Promise<Sharp> | undefined;

/** Loaded on first use: commands without picture files need no native library. */
export function loadSharp(): Promise<Sharp> {
  loading ??= import('sharp').then(({ default: sharp }) => {
    // The pool already runs a worker a core; libvips's own cache would keep every picture twice.
    sharp.concurrency(1);
    sharp.cache(false);
    return sharp;
  });
  return loading;
}
