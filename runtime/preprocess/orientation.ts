/** EXIF orientation: cameras store what the sensor saw and note how to turn it. */
import type { Orientation } from './header.ts';
import type { Picture } from './picture.ts';
import { blankPicture } from './picture.ts';

const orientationTag = 0x0112;
const exifSignature = 0x45786966;
const littleEndian = 0x4949;
const bigEndian = 0x4d4d;

/** The orientation in a JPEG's EXIF segment from `at` to `end`; undefined where it has none or is no EXIF. */
export function readExifOrientation(view: DataView, at: number, end: number): Orientation | undefined {
  return startsWithExif(view, at, end) ? readTiffOrientation(view, at + 6, end) : undefined;
}

/**
 * The orientation in a chunk of a PNG or WebP from `at` to `end`, whose EXIF comes bare or, as some programs write it,
 * with a JPEG's `Exif` before it.
 */
export function readChunkOrientation(view: DataView, at: number, end: number): Orientation | undefined {
  return readExifOrientation(view, at, end) ?? readTiffOrientation(view, at, end);
}

function startsWithExif(view: DataView, at: number, end: number): boolean {
  return end - at >= 6 && view.getUint32(at) === exifSignature;
}

/** EXIF is a TIFF without a picture: a byte order, and a directory of tags. */
function readTiffOrientation(view: DataView, tiff: number, end: number): Orientation | undefined {
  if (end - tiff < 8) return undefined;
  const byteOrder = view.getUint16(tiff);
  if (byteOrder !== littleEndian && byteOrder !== bigEndian) return undefined;
  const little = byteOrder === littleEndian;
  const directory = tiff + view.getUint32(tiff + 4, little);
  if (directory + 2 > end) return undefined;
  const entries = view.getUint16(directory, little);
  for (let entry = directory + 2; entry < directory + 2 + entries * 12 && entry + 12 <= end; entry += 12) {
    if (view.getUint16(entry, little) !== orientationTag) continue;
    const value = view.getUint16(entry + 8, little);
    return value >= 1 && value <= 8 ? (value as Orientation) : undefined;
  }
  return undefined;
}

/** The picture as it is meant to be seen. */
export function turnUpright(picture: Picture, orientation: Orientation): Picture {
  if (orientation === 1) return picture;
  const swapsSides = orientation >= 5;
  const { width, height, data } = picture;
  const upright = blankPicture(swapsSides ? { width: height, height: width } : picture);
  for (let y = 0, to = 0; y < upright.height; y++) {
    for (let x = 0; x < upright.width; x++, to += 3) {
      const [fromX, fromY] = storedPosition(orientation, x, y, width - 1, height - 1);
      const from = (fromY * width + fromX) * 3;
      upright.data[to] = data[from];
      upright.data[to + 1] = data[from + 1];
      upright.data[to + 2] = data[from + 2];
    }
  }
  return upright;
}

/**
 * Where the upright picture's pixel (x, y) is stored; `right` and `bottom` are the stored picture's last column and
 * row.
 */
function storedPosition(
  orientation: Orientation,
  x: number,
  y: number,
  right: number,
  bottom: number,
): readonly [number, number] {
  switch (orientation) {
    case 1:
      return [x, y];
    case 2:
      return [right - x, y];
    case 3:
      return [right - x, bottom - y];
    case 4:
      return [x, bottom - y];
    case 5:
      return [y, x];
    case 6:
      return [y, bottom - x];
    case 7:
      return [right - y, bottom - x];
    case 8:
      return [right - y, x];
    default:
      return orientation satisfies never;
  }
}
