/**
 * BMP, which sharp's build has no decoder for: uncompressed, of 1, 4, 8, 16, 24 or 32 bits a pixel.
 * https://learn.microsoft.com/windows/win32/gdi/bitmap-storage
 */
import { PreprocessError } from '../../runtime/preprocess/error.ts';
import { blankPicture, type Picture } from '../../runtime/preprocess/picture.ts';

const fileHeaderBytes = 14;
/** OS/2's header, with 16 bits for each side and 3 bytes a colour. */
const coreHeaderBytes = 12;
const infoHeaderBytes = 40;

const compressions: Readonly<Record<number, string>> = { 1: 'RLE8', 2: 'RLE4', 4: 'JPEG', 5: 'PNG' };
const bitFields = 3;
/** Of red, green and blue, 4 bytes each: after the short header, or within a longer one. */
const masksAt = 54;

interface BmpHeader {
  readonly width: number;
  readonly height: number;
  /** The first row is the lowest, as in most. */
  readonly upwards: boolean;
  readonly bits: number;
  /** Where pixels begin, and how many bytes a row takes: a multiple of 4. */
  readonly pixels: number;
  readonly rowBytes: number;
  /** Of 8 bits and fewer: where the colours (blue, green, red) are, and how many bytes each takes. */
  readonly palette: { readonly at: number; readonly stride: number; readonly colours: number } | null;
  /** Of 16 and 32 bits: which bits are red, green and blue. */
  readonly masks: readonly [number, number, number];
}

/** What the headers say. Throws PreprocessError: `unsupported-format`, `truncated` or `corrupt`. */
export function readBmpHeader(bytes: Uint8Array): BmpHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = view.getUint32(fileHeaderBytes, true);
  const core = size === coreHeaderBytes;
  if (!core && size < infoHeaderBytes) throw corrupt(`a bmp with a header of ${size} bytes`);
  if (bytes.length < fileHeaderBytes + size) throw truncated(bytes);
  const rows = core ? view.getUint16(20, true) : view.getInt32(22, true);
  const width = core ? view.getUint16(18, true) : view.getInt32(18, true);
  const height = Math.abs(rows);
  const bits = view.getUint16(core ? 24 : 28, true);
  const compression = core ? 0 : view.getUint32(30, true);
  if (width <= 0 || height === 0) throw corrupt(`a bmp of ${width}×${height} pixels`);
  if (compression !== 0 && !(compression === bitFields && (bits === 16 || bits === 32)))
    throw new PreprocessError(
      'unsupported-format',
      `a bmp compressed with ${compressions[compression] ?? `method ${compression}`}: save it as PNG`,
    );
  if (compression === bitFields && bytes.length < masksAt + 12) throw truncated(bytes);
  if (![1, 4, 8, 16, 24, 32].includes(bits)) throw corrupt(`a bmp of ${bits} bits a pixel`);
  const header = {
    ...{ width, height, bits, upwards: rows > 0 },
    pixels: view.getUint32(10, true),
    rowBytes: 4 * Math.ceil((width * bits) / 32),
    palette: bits > 8 ? null : paletteOf(view, size, core, bits),
    masks: masksOf(view, bits, compression),
  };
  const end = header.pixels + header.rowBytes * height;
  if (end > bytes.length || (header.palette && colourAt(header.palette, header.palette.colours) > bytes.length))
    throw truncated(bytes);
  return header;
}

function paletteOf(view: DataView, size: number, core: boolean, bits: number): BmpHeader['palette'] {
  const used = core ? 0 : view.getUint32(46, true);
  return { at: fileHeaderBytes + size, stride: core ? 3 : 4, colours: Math.min(used || 2 ** bits, 2 ** bits) };
}

function masksOf(view: DataView, bits: number, compression: number): BmpHeader['masks'] {
  if (compression === bitFields)
    return [0, 4, 8].map((at) => view.getUint32(masksAt + at, true)) as [number, number, number];
  return bits === 16 ? [0x7c00, 0x03e0, 0x001f] : [0xff0000, 0xff00, 0xff];
}

function colourAt({ at, stride }: NonNullable<BmpHeader['palette']>, index: number): number {
  return at + index * stride;
}

/** Decodes it; a fourth channel is dropped, as Pillow's convert("RGB") does. Throws PreprocessError. */
export function decodeBmp(bytes: Uint8Array): Picture {
  const header = readBmpHeader(bytes);
  const { width, height, upwards, pixels, rowBytes } = header;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const picture = blankPicture({ width, height });
  const pixel = pixelReader(view, header);
  for (let y = 0, to = 0; y < height; y++) {
    const row = pixels + (upwards ? height - 1 - y : y) * rowBytes;
    for (let x = 0; x < width; x++, to += 3) picture.data.set(pixel(row, x), to);
  }
  return picture;
}

type Rgb = readonly [number, number, number];

function pixelReader(view: DataView, { bits, palette, masks }: BmpHeader): (row: number, x: number) => Rgb {
  const bgr = (at: number): Rgb => [view.getUint8(at + 2), view.getUint8(at + 1), view.getUint8(at)];
  if (palette !== null) {
    return (row, x) => {
      const byte = view.getUint8(row + ((x * bits) >> 3));
      // The leftmost pixel is in the highest bits.
      const index = (byte >> (8 - bits - ((x * bits) & 7))) & (2 ** bits - 1);
      if (index >= palette.colours)
        throw corrupt(`a bmp of ${palette.colours} colours with a pixel of colour ${index}`);
      return bgr(colourAt(palette, index));
    };
  }
  if (bits === 24) return (row, x) => bgr(row + 3 * x);
  const channels = masks.map(channelOf);
  const word = (row: number, x: number): number =>
    bits === 16 ? view.getUint16(row + 2 * x, true) : view.getUint32(row + 4 * x, true);
  return (row, x) => {
    const value = word(row, x);
    return channels.map((channel) => channel(value)) as unknown as Rgb;
  };
}

/** What a channel's bits are worth, from 0 to 255. */
function channelOf(mask: number): (value: number) => number {
  if (mask === 0) return () => 0;
  const shift = 31 - Math.clz32(mask & -mask);
  const most = mask >>> shift;
  return (value) => Math.round((255 * ((value & mask) >>> shift)) / most);
}

function corrupt(message: string): PreprocessError {
  return new PreprocessError('corrupt', message);
}

function truncated({ length }: Uint8Array): PreprocessError {
  return new PreprocessError('truncated', `a bmp that ends too early (${length} bytes)`);
}
