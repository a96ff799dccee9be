/** PNG (ISO/IEC 15948): after 8 bytes, chunks `length type data checksum`, from IHDR to IEND. */
import { PreprocessError } from './error.ts';
import type { Orientation, PictureHeader } from './header.ts';
import { readChunkOrientation } from './orientation.ts';

const signatureBytes = 8;
const imageHeader = 0x49484452;
const imageEnd = 0x49454e44;
const exif = 0x65584966;

/**
 * What IHDR says, and the orientation in eXIf, which may stand anywhere between IHDR and IEND.
 * @throws PreprocessError (truncated, corrupt) where the file does not begin with IHDR
 */
export function readPngHeader(view: DataView): PictureHeader {
  if (view.byteLength < signatureBytes + 25) throw new PreprocessError('truncated', 'a png without its header');
  if (view.getUint32(signatureBytes + 4) !== imageHeader)
    throw new PreprocessError('corrupt', 'a png that does not begin with IHDR');
  return {
    format: 'png',
    width: view.getUint32(signatureBytes + 8),
    height: view.getUint32(signatureBytes + 12),
    ...readChunks(view),
  };
}

function readChunks(view: DataView): Pick<PictureHeader, 'orientation' | 'complete'> {
  let orientation: Orientation = 1;
  for (let at = signatureBytes; at + 12 <= view.byteLength; at += 12 + view.getUint32(at)) {
    const type = view.getUint32(at + 4);
    if (type === imageEnd) return { orientation, complete: true };
    const end = at + 8 + view.getUint32(at);
    if (type === exif && end <= view.byteLength) orientation = readChunkOrientation(view, at + 8, end) ?? orientation;
  }
  return { orientation, complete: false };
}
