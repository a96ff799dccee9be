import { crc32 } from 'node:zlib';
import { fitPicture } from '../../../runtime/preprocess/fit.ts';
import type { Picture } from '../../../runtime/preprocess/picture.ts';
import type { ImagePreprocess } from '../../../runtime/preprocess/spec.ts';
import { readPicture, unreadablePicture } from '../picture-source.ts';

/** Pictures to decode for a cache: plain data, posted to a worker. */
export interface RecordsJob {
  readonly paths: readonly string[];
  /** What they are fitted to; null leaves them whole. */
  readonly fit: ImagePreprocess | null;
}

/** What becomes of a `RecordsJob`. */
export interface Records {
  /** Of all pictures, one after another. */
  readonly pixels: Uint8Array;
  /** By picture; `checksum` is the CRC-32 of its pixels. */
  readonly entries: readonly { readonly width: number; readonly height: number; readonly checksum: number }[];
}

/** Decodes picture files, and fits them where asked. UserError that names one that is damaged. */
export async function decodeRecords({ paths, fit }: RecordsJob): Promise<Records> {
  const pictures: Picture[] = [];
  for (const path of paths) {
    const picture = await readPicture(path);
    pictures.push(fit === null ? picture : fitted(picture, fit, path));
  }
  const pixels = new Uint8Array(pictures.reduce((sum, { data }) => sum + data.length, 0));
  let at = 0;
  for (const { data } of pictures) {
    pixels.set(data, at);
    at += data.length;
  }
  const entries = pictures.map(({ width, height, data }) => ({ width, height, checksum: crc32(data) }));
  return { pixels, entries };
}

function fitted(picture: Picture, spec: ImagePreprocess, path: string): Picture {
  try {
    return fitPicture(picture, spec);
  } catch (error) {
    throw unreadablePicture(path, error);
  }
}
