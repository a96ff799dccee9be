import { PreprocessError } from './error.ts';
import type { PictureHeader } from './header.ts';
import { readJpegHeader } from './header-jpeg.ts';
import { readPngHeader } from './header-png.ts';
import { readWebpHeader } from './header-webp.ts';

/**
 * Recognises a picture by its first bytes and reads its header. Throws PreprocessError: `unsupported-format`,
 * `truncated` or `corrupt`.
 */
export function readPictureHeader(bytes: Uint8Array): PictureHeader {
  if (bytes.length === 0) throw new PreprocessError('truncated', 'no bytes: an empty picture');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const header = readFormat(view);
  if (header.width === 0 || header.height === 0) {
    throw new PreprocessError('corrupt', `a ${header.format} of ${header.width}×${header.height} pixels`);
  }
  return header;
}

function readFormat(view: DataView): PictureHeader {
  if (startsWith(view, 0, [0xff, 0xd8, 0xff])) return readJpegHeader(view);
  if (startsWith(view, 0, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])) return readPngHeader(view);
  if (startsWith(view, 0, ascii('RIFF')) && startsWith(view, 8, ascii('WEBP'))) return readWebpHeader(view);
  throw new PreprocessError('unsupported-format', 'not a picture of a known format (JPEG, PNG and WebP are)');
}

function startsWith(view: DataView, offset: number, magic: readonly number[]): boolean {
  return view.byteLength >= offset + magic.length && magic.every((byte, i) => view.getUint8(offset + i) === byte);
}

function ascii(text: string): readonly number[] {
  return [...text].map((character) => character.charCodeAt(0));
}
