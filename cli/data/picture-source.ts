import { readSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { checkPicture, decodePicture } from '../../runtime/preprocess/decode.ts';
import { PreprocessError } from '../../runtime/preprocess/error.ts';
import type { Picture } from '../../runtime/preprocess/picture.ts';
import { messageOf, UserError } from '../io/errors.ts';
import { readCached } from './cache/record.ts';
import { checkOther, decodeOther } from './other-pictures.ts';
import { foreignKind, otherFormat } from './picture-formats.ts';
import { loadSharp, sharpDecoders } from './sharp-decoders.ts';
import type { PackedPicture, PictureSource } from './split.ts';

/** The picture of a source, decoded when it is still a file. Throws a UserError that names the file. */
export async function loadPicture(source: PictureSource): Promise<Picture> {
  switch (source.kind) {
    case 'decoded':
      return source.picture;
    case 'cached':
      return readCached(source);
    case 'file':
      return readPicture(source.path);
    case 'packed':
      return decodePacked(source);
    default:
      return source satisfies never;
  }
}

async function decodePacked(source: PackedPicture): Promise<Picture> {
  try {
    return await decodeBytes(readPacked(source));
  } catch (error) {
    throw unreadablePicture(source.path, error);
  }
}

/** The encoded picture, from any thread. */
export function readPacked({ descriptor, offset, length }: PackedPicture): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const read = readSync(descriptor, bytes, done, length - done, offset + done);
    if (read === 0) throw new Error('the temporary file of pictures was cut short while it was in use');
    done += read;
  }
  return bytes;
}

/** Reads and decodes a picture file. Throws a UserError that names it. */
export async function readPicture(path: string): Promise<Picture> {
  try {
    return await decodeBytes(await readFile(path));
  } catch (error) {
    throw unreadablePicture(path, error);
  }
}

/** Decodes a picture of any format that is read here: RGB, upright. Throws PreprocessError. */
export async function decodeBytes(bytes: Uint8Array): Promise<Picture> {
  const format = expectKnown(bytes);
  return format === null ? decodePicture(bytes, sharpDecoders) : decodeOther(bytes, format);
}

/** The checks of `decodeBytes` that need no decoding. Throws PreprocessError. */
export async function checkBytes(bytes: Uint8Array): Promise<void> {
  const format = expectKnown(bytes);
  if (format === null) checkPicture(bytes);
  else await checkOther(bytes, format);
}

/**
 * A picture in a format that is served: the bytes themselves, or what they hold as PNG. Throws PreprocessError where
 * they are of a format that only this machine reads and can't be decoded; the others are for the server to judge.
 */
export async function servedBytes(bytes: Uint8Array): Promise<Uint8Array> {
  const format = expectKnown(bytes);
  if (format === null) return bytes;
  const { width, height, data } = await decodeOther(bytes, format);
  const sharp = await loadSharp();
  return sharp(data, { raw: { width, height, channels: 3 } })
    .png({ compressionLevel: 1 })
    .toBuffer();
}

/** The format where it is one that is not served. PreprocessError for what is known to be no picture that is read. */
function expectKnown(bytes: Uint8Array): ReturnType<typeof otherFormat> {
  const kind = foreignKind(bytes);
  const format = otherFormat(bytes);
  if (kind !== null && format === null)
    throw new PreprocessError(
      'unsupported-format',
      `${kind}: pictures may be JPEG, PNG, WebP, GIF, BMP, TIFF and AVIF`,
    );
  return format;
}

/** What is said of a picture that can't be used, whatever found it out. */
export function unreadablePicture(path: string, error: unknown): UserError {
  const hint = error instanceof PreprocessError ? 'Mend or remove the file, or go on without it: --skip-bad.' : '';
  return new UserError(`${path}: ${messageOf(error)}`, hint);
}
