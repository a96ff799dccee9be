import { readFile } from 'node:fs/promises';
import { decodePicture } from '../../runtime/preprocess/decode.ts';
import { PreprocessError } from '../../runtime/preprocess/error.ts';
import type { Picture } from '../../runtime/preprocess/picture.ts';
import { messageOf, UserError } from '../io/errors.ts';
import { readCached } from './cache/record.ts';
import { sharpDecoders } from './sharp-decoders.ts';
import type { PictureSource } from './split.ts';

/** The picture of a source, decoded when it is still a file. Throws a UserError that names the file. */
export async function loadPicture(source: PictureSource): Promise<Picture> {
  switch (source.kind) {
    case 'decoded':
      return source.picture;
    case 'cached':
      return readCached(source);
    case 'file':
      return readPicture(source.path);
    default:
      return source satisfies never;
  }
}

/** Reads and decodes a picture file. Throws a UserError that names it. */
export async function readPicture(path: string): Promise<Picture> {
  try {
    return await decodePicture(await readFile(path), sharpDecoders);
  } catch (error) {
    throw unreadablePicture(path, error);
  }
}

/** What is said of a picture that can't be used, whatever found it out. */
export function unreadablePicture(path: string, error: unknown): UserError {
  const hint = error instanceof PreprocessError ? 'Mend or remove the file, or go on without it: --skip-bad.' : '';
  return new UserError(`${path}: ${messageOf(error)}`, hint);
}
