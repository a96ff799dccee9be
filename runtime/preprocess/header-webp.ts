/**
 * WebP (RFC 9649): a RIFF file whose first chunk is `VP8 ` (lossy), `VP8L` (lossless) or `VP8X` (extended). Little
 * endian.
 */
import { PreprocessError } from './error.ts';
import type { Orientation, PictureHeader } from './header.ts';
import { readChunkOrientation } from './orientation.ts';

const lossy = 0x56503820;
const lossless = 0x5650384c;
const extended = 0x56503858;
const exif = 0x45584946;
const animationFlag = 0x02;
/** `RIFF`, the size, `WEBP`. */
const riffHeaderBytes = 12;

/** What the first chunk says, and the orientation in EXIF. @throws PreprocessError */
export function readWebpHeader(view: DataView): PictureHeader {
  if (view.byteLength < 30) throw new PreprocessError('truncated', 'a webp without its header');
  return {
    format: 'webp',
    ...readDimensions(view),
    orientation: readOrientation(view),
    complete: view.byteLength >= view.getUint32(4, true) + 8,
  };
}

/** Chunk data begins at byte 20. */
function readDimensions(view: DataView): { readonly width: number; readonly height: number } {
  switch (view.getUint32(12)) {
    case lossy:
      return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
    case lossless: {
      const bits = view.getUint32(21, true);
      return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
    }
    case extended:
      if (view.getUint8(20) & animationFlag)
        throw new PreprocessError('unsupported-format', 'an animated webp: send a single picture');
      return { width: readUint24(view, 24) + 1, height: readUint24(view, 27) + 1 };
    default:
      throw new PreprocessError('corrupt', 'a webp whose first chunk is none of VP8, VP8L and VP8X');
  }
}

/** Chunks are `type size data`, filled up to an even length; EXIF comes after the picture, of extended files only. */
function readOrientation(view: DataView): Orientation {
  if (view.getUint32(riffHeaderBytes) !== extended) return 1;
  for (let at = riffHeaderBytes; at + 8 <= view.byteLength; ) {
    const size = view.getUint32(at + 4, true);
    const end = at + 8 + size;
    if (view.getUint32(at) === exif && end <= view.byteLength) return readChunkOrientation(view, at + 8, end) ?? 1;
    at = end + (size & 1);
  }
  return 1;
}

function readUint24(view: DataView, at: number): number {
  return view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
}
