/** JPEG (ITU T.81): segments `FF marker length data`; scans carry entropy-coded data after their header. */
import { PreprocessError } from './error.ts';
import type { Orientation, PictureHeader } from './header.ts';
import { readExifOrientation } from './orientation.ts';

const startOfScan = 0xda;
const endOfImage = 0xd9;
const app1 = 0xe1;
/** Any number of FF may stand before a marker. */
const fillByte = 0xff;

interface Frame {
  readonly width: number;
  readonly height: number;
}

/** The size that the last frame header says, and the EXIF orientation. @throws PreprocessError */
export function readJpegHeader(view: DataView): PictureHeader {
  let frame: Frame | undefined;
  let orientation: Orientation = 1;
  let complete = false;
  for (let at = 2; at + 2 <= view.byteLength; ) {
    const marker = readMarker(view, at);
    if (marker === fillByte) {
      at += 1;
      continue;
    }
    if (marker === endOfImage) {
      complete = true;
      break;
    }
    if (at + 4 > view.byteLength) break;
    const end = at + 2 + view.getUint16(at + 2);
    if (end > view.byteLength) break;
    if (isStartOfFrame(marker)) frame = readFrame(view, at + 4, end);
    else if (marker === app1) orientation = readExifOrientation(view, at + 4, end) ?? orientation;
    at = marker === startOfScan ? skipEntropyCoded(view, end) : end;
  }
  if (frame === undefined)
    throw new PreprocessError(complete ? 'corrupt' : 'truncated', 'a jpeg without a frame header');
  return { format: 'jpeg', ...frame, orientation, complete };
}

function readMarker(view: DataView, at: number): number {
  if (view.getUint8(at) !== 0xff)
    throw new PreprocessError('corrupt', `a jpeg with no marker where one belongs (byte ${at})`);
  return view.getUint8(at + 1);
}

/** SOF0 to SOF15, without DHT (C4), JPG (C8) and DAC (CC) that lie between. */
function isStartOfFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

function readFrame(view: DataView, at: number, end: number): Frame {
  if (end - at < 6) throw new PreprocessError('corrupt', 'a jpeg with a frame header that is too short');
  const components = view.getUint8(at + 5);
  if (components === 4) {
    throw new PreprocessError('unsupported-format', 'a jpeg in CMYK (printing colours): save it as RGB');
  }
  return { height: view.getUint16(at + 1), width: view.getUint16(at + 3) };
}

/** The first marker after entropy-coded data, where FF is followed by 00 (a stuffed byte) or D0 to D7 (restarts). */
function skipEntropyCoded(view: DataView, start: number): number {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  let at = bytes.indexOf(0xff, start);
  while (at >= 0 && at + 1 < bytes.length) {
    const next = bytes[at + 1];
    const isData = next === 0 || (next >= 0xd0 && next <= 0xd7);
    if (!isData && next !== fillByte) return at;
    at = bytes.indexOf(0xff, at + (isData ? 2 : 1));
  }
  return bytes.length;
}
