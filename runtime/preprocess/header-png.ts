/** PNG (ISO/IEC 15948): after 8 bytes, chunks `length type data checksum`, from IHDR to IEND. */
import { PreprocessError } from './error.ts';
import type { PictureHeader } from './header.ts';

const signatureBytes = 8;
const imageHeader = 0x49484452;
const imageEnd = 0x49454e44;

/** What IHDR says. @throws PreprocessError (truncated, corrupt) where the file does not begin with it */
export function readPngHeader(view: DataView): PictureHeader {
  if (view.byteLength < signatureBytes + 25) throw new PreprocessError('truncated', 'a png without its header');
  if (view.getUint32(signatureBytes + 4) !== imageHeader)
    throw new PreprocessError('corrupt', 'a png that does not begin with IHDR');
  return {
    format: 'png',
    width: view.getUint32(signatureBytes + 8),
    height: view.getUint32(signatureBytes + 12),
    orientation: 1,
    complete: reachesEnd(view),
  };
}

function reachesEnd(view: DataView): boolean {
  for (let at = signatureBytes; at + 12 <= view.byteLength; at += 12 + view.getUint32(at)) {
    if (view.getUint32(at + 4) === imageEnd) return true;
  }
  return false;
}
