import { fitPicture } from './fit.ts';
import type { Picture } from './picture.ts';
import type { ImagePreprocess } from './spec.ts';

/**
 * The network's input for one picture: fitted to `spec.size`, rescaled, normalised, channels first.
 * Written at `offset` of `out` when given. Returns `out`, (channels, height, width) from `offset`.
 */
export function prepareImage(
  picture: Picture,
  spec: ImagePreprocess,
  out = new Float32Array(inputLength(spec)),
  offset = 0,
): Float32Array {
  normalizePicture(fitPicture(picture, spec), spec, out, offset);
  return out;
}

/** How many values `prepareImage` writes: channels · height · width. */
export function inputLength({ size, mean }: ImagePreprocess): number {
  return mean.length * size.height * size.width;
}

/** How many bytes a picture of the network's size has: its three channels, whatever the network takes of them. */
export function pictureLength({ size }: ImagePreprocess): number {
  return 3 * size.height * size.width;
}

/**
 * Rescales and normalises a picture that has the network's size: bytes (H, W, 3) to float32 (channels, H, W). Of grey,
 * whose channels are alike, the first is taken.
 */
export function normalizePicture(
  { width, height, data }: Picture,
  spec: ImagePreprocess,
  out: Float32Array,
  offset: number,
): void {
  const area = height * width;
  for (let channel = 0; channel < spec.mean.length; channel++) {
    const table = normalizationTables(spec)[channel];
    const plane = out.subarray(offset + channel * area, offset + (channel + 1) * area);
    for (let i = 0, at = channel; i < area; i++, at += 3) plane[i] = table[data[at]];
  }
}

const tablesOf = new WeakMap<ImagePreprocess, readonly Float32Array[]>();

/**
 * A channel has only 256 values: (256) for each, with the roundings to float32 that Hugging Face's numpy code makes.
 */
function normalizationTables(spec: ImagePreprocess): readonly Float32Array[] {
  let tables = tablesOf.get(spec);
  if (tables === undefined) {
    tables = spec.mean.map((mean, channel) =>
      Float32Array.from({ length: 256 }, (_, byte) => {
        const centred = Math.fround(Math.fround(byte * spec.rescaleFactor) - Math.fround(mean));
        return centred / Math.fround(spec.std[channel]);
      }),
    );
    tablesOf.set(spec, tables);
  }
  return tables;
}
