/**
 * WebP (RFC 9649): a RIFF file whose first chunk is `VP8 ` (lossy), `VP8L` (lossless) or `VP8X` (extended). Little
 * endian.
 */
import { PreprocessError } from './error.ts';
import type { PictureHeader } from './header.ts';

const lossy = 0x56503820;
const lossless = 0x5650384c;
const extended = 0x56503858;
const animationFlag = 0x02;

/** What the first chunk says; orientation is not read. @throws PreprocessError */
export function readWebpHeader(view: DataView): PictureHeader {
  if (view.byteLength < 30) throw new PreprocessError('truncated', 'a webp without its header');
  return {
    format: 'webp',
    ...readDimensions(view),
    orientation: 1,
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

function readUint24(view: DataView, at: number): number {
  return view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
}
