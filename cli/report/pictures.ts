/** Pictures within the page: small, as data: URIs. */
import type { Picture } from '../../runtime/preprocess/picture.ts';
import { loadSharp } from '../data/sharp-decoders.ts';

/** Twice what a picture is shown at; where there are many, hardly more, so that the page can still be mailed. */
const SIDES = { few: 192, many: 112 };
const FEW = 64;

/** The longest side in pixels of so many pictures in one page. */
export function sideOf(pictures: number): number {
  return pictures <= FEW ? SIDES.few : SIDES.many;
}

/** Smaller ones are kept as they are, pixel by pixel. */
const TINY = 64;

/** How many samples are shown, and the longest side of their pictures. */
export interface PictureOptions {
  readonly samples: number;
  readonly side: number;
}

/** A picture as it fits into the page. */
export interface Thumbnail {
  readonly uri: string;
  /** Whether its pixels are to be told apart. */
  readonly isTiny: boolean;
}

/** Made smaller where its longest side is longer than that. */
export async function thumbnailOf({ width, height, data }: Picture, side: number): Promise<Thumbnail> {
  const sharp = await loadSharp();
  // sharp takes no view of shared memory, in which data sets lie.
  const pixels = sharp(Uint8Array.from(data), { raw: { width, height, channels: 3 } });
  const isTiny = Math.max(width, height) <= TINY;
  const small = pixels.resize({ width: side, height: side, fit: 'inside', withoutEnlargement: true });
  return isTiny
    ? { uri: dataUri('image/png', await pixels.png({ compressionLevel: 9 }).toBuffer()), isTiny }
    : { uri: dataUri('image/jpeg', await small.jpeg({ quality: 78 }).toBuffer()), isTiny };
}

/** How dark a veil is where nothing was looked at. */
const DARKEST = 0.82;

/**
 * A veil over a picture, a pixel for each patch: black, and the clearer the higher the weight. The highest is clear, the
 * lowest darkest.
 */
export async function veilOf(weights: ArrayLike<number>, columns: number): Promise<string> {
  const sharp = await loadSharp();
  const values = Array.from(weights);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const rgba = new Uint8Array(4 * values.length);
  values.forEach((value, i) => {
    const share = most > least ? (value - least) / (most - least) : 1;
    rgba[4 * i + 3] = Math.round(255 * DARKEST * (1 - share));
  });
  const raw = { width: columns, height: values.length / columns, channels: 4 as const };
  return dataUri('image/png', await sharp(rgba, { raw }).png({ compressionLevel: 9 }).toBuffer());
}

function dataUri(type: string, bytes: Buffer): string {
  return `data:${type};base64,${bytes.toString('base64')}`;
}
