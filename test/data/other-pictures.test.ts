/** Pictures that what serves does not read: sharp's own decoders, and BMPs made here byte by byte, are the oracles. */
import { readFileSync } from 'node:fs';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { otherFormat } from '../../cli/data/picture-formats.ts';
import { checkBytes, decodeBytes, servedBytes } from '../../cli/data/picture-source.ts';
import { builtFolder } from '../../cli/io/assets.ts';
import { nodeDecoders } from '../../runtime/hosts/node-decoders.ts';
import { decodePicture } from '../../runtime/preprocess/decode.ts';
import { itWith, shared } from '../support/shared.ts';

const width = 21;
const height = 14;
const pixels = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 29 + Math.floor(i / 63) * 5) % 256);
const drawing = () => sharp(pixels, { raw: { width, height, channels: 3 } });

const refusal = (code: string, message: string | RegExp): unknown =>
  expect.objectContaining({ name: 'PreprocessError', code, message: expect.stringMatching(message) });

/** A BMP of these rows of bytes, the lowest first, with what follows the header. */
function bmpOf(
  bits: number,
  rows: readonly (readonly number[])[],
  { extra = [], compression = 0, colours = 0, down = false, w = width, h = height } = {} as {
    readonly extra?: readonly number[];
    readonly compression?: number;
    readonly colours?: number;
    readonly down?: boolean;
    readonly w?: number;
    readonly h?: number;
  },
): Buffer {
  const header = Buffer.alloc(54);
  header.write('BM', 'latin1');
  header.writeUInt32LE(54 + extra.length, 10);
  header.writeUInt32LE(40, 14);
  header.writeInt32LE(w, 18);
  header.writeInt32LE(down ? -h : h, 22);
  header.writeUInt16LE(1, 26);
  header.writeUInt16LE(bits, 28);
  header.writeUInt32LE(compression, 30);
  header.writeUInt32LE(colours, 46);
  const padded = rows.map((row) => Buffer.concat([Buffer.from(row), Buffer.alloc((4 - (row.length % 4)) % 4)]));
  return Buffer.concat([header, Buffer.from(extra), ...padded]);
}

/** Each row's pixels as these bytes. */
const rowsOf = (bytesOf: (rgb: Uint8Array) => readonly number[]): number[][] =>
  Array.from({ length: height }, (_, y) =>
    Array.from({ length: width }, (_, x) => {
      const at = (y * width + x) * 3;
      return [...bytesOf(pixels.subarray(at, at + 3))];
    }).flat(),
  );

describe('BMP', () => {
  const bgr = rowsOf(([r, g, b]) => [b, g, r]);
  const bgrx = rowsOf(([r, g, b]) => [b, g, r, 77]);
  const masks = [0x00, 0x00, 0xff, 0x00, 0x00, 0xff, 0x00, 0x00, 0xff, 0x00, 0x00, 0x00];

  it.each<[string, Buffer]>([
    ['24 bits, upwards', bmpOf(24, bgr.toReversed())],
    ['24 bits, downwards', bmpOf(24, bgr, { down: true })],
    ['32 bits, a channel dropped', bmpOf(32, bgrx.toReversed())],
    ['32 bits with masks', bmpOf(32, bgrx.toReversed(), { compression: 3, extra: masks })],
  ])('%s', async (_, bytes) => {
    expect(await decodeBytes(bytes)).toEqual({ width, height, data: pixels });
  });

  it('of a palette, of 8, 4 and 1 bits', async () => {
    const palette = [10, 20, 30, 0, 40, 50, 60, 0];
    const [first, second] = [
      [30, 20, 10],
      [60, 50, 40],
    ];
    const expected = { width: 5, height: 1, data: Uint8Array.from([second, first, first, second, second].flat()) };
    for (const [bits, row] of [
      [8, [1, 0, 0, 1, 1]],
      [4, [0x10, 0x01, 0x10]],
      [1, [0b1001_1000]],
    ] as const) {
      const bytes = bmpOf(bits, [row], { extra: palette, colours: 2, w: 5, h: 1 });
      expect(await decodeBytes(bytes), `${bits} bits`).toEqual(expected);
    }
    const beyond = bmpOf(8, [[2, 0, 0, 0, 0]], { extra: palette, colours: 2, w: 5, h: 1 });
    await expect(decodeBytes(beyond)).rejects.toEqual(refusal('corrupt', '2 colours with a pixel of colour 2'));
  });

  it('of 16 bits: five a channel', async () => {
    const bytes = bmpOf(16, [[0x1f, 0x7c, 0xe0, 0x03]], { w: 2, h: 1 });
    expect((await decodeBytes(bytes)).data).toEqual(Uint8Array.of(255, 0, 255, 0, 255, 0));
  });

  it('is refused where it is cut, compressed or claims too much', async () => {
    const bytes = bmpOf(24, bgr);
    await expect(checkBytes(bytes.subarray(0, bytes.length - 5))).rejects.toEqual(refusal('truncated', /^a bmp that/));
    await expect(checkBytes(bytes.subarray(0, 30))).rejects.toEqual(refusal('truncated', 'too early'));
    await expect(checkBytes(bmpOf(8, [], { compression: 1 }))).rejects.toEqual(
      refusal('unsupported-format', 'a bmp compressed with RLE8'),
    );
    const large = bmpOf(1, [], { w: 60_000, h: 60_000 });
    await expect(checkBytes(large)).rejects.toEqual(refusal('truncated', 'too early'));
  });
});

describe('formats that sharp reads', () => {
  it('TIFF is lossless, and turned upright', async () => {
    expect(await decodeBytes(await drawing().tiff({ compression: 'lzw' }).toBuffer())).toEqual({
      ...{ width, height },
      data: pixels,
    });
    const turned = await decodeBytes(
      await drawing().tiff({ compression: 'lzw' }).withMetadata({ orientation: 6 }).toBuffer(),
    );
    const { data } = await drawing().rotate(90).raw().toBuffer({ resolveWithObject: true });
    expect([turned.width, turned.height, Buffer.compare(turned.data, data)]).toEqual([height, width, 0]);
  });

  it.each(['gif', 'heif'] as const)('%s has the pixels that sharp decodes', async (format) => {
    const bytes = await drawing()
      .toFormat(format, format === 'heif' ? { compression: 'av1' } : {})
      .toBuffer();
    const { data } = await sharp(bytes).removeAlpha().raw().toBuffer({ resolveWithObject: true });
    const picture = await decodeBytes(bytes);
    expect([picture.width, picture.height, Buffer.compare(picture.data, data)]).toEqual([width, height, 0]);
  });

  it('is predicted with as what serves sees it', async () => {
    const tiff = await drawing().tiff({ compression: 'lzw' }).toBuffer();
    const served = await decodePicture(await servedBytes(tiff), nodeDecoders(builtFolder()));
    expect(served).toEqual({ width, height, data: pixels });
    const png = await drawing().png().toBuffer();
    expect(await servedBytes(png)).toBe(png);
  });

  it('is refused where it is cut, in printing colours or of several pictures', async () => {
    const tiff = await drawing().tiff({ compression: 'lzw' }).toBuffer();
    await expect(decodeBytes(tiff.subarray(0, tiff.length - 40))).rejects.toEqual(refusal('corrupt', /^a tiff that/));
    const cmyk = await drawing().toColourspace('cmyk').tiff().toBuffer();
    await expect(checkBytes(cmyk)).rejects.toEqual(refusal('unsupported-format', 'a tiff in CMYK'));
    const frames = Buffer.concat([Buffer.from(pixels), Buffer.from(pixels).reverse()]);
    const animated = await sharp(frames, { raw: { width, height: 2 * height, channels: 3, pageHeight: height } })
      .gif()
      .toBuffer();
    await expect(checkBytes(animated)).rejects.toEqual(refusal('unsupported-format', 'a gif of 2 pictures'));
  });

  it('what claims too many pixels is refused before it is decoded', async () => {
    const tiff = await drawing().tiff({ compression: 'lzw' }).toBuffer();
    for (const tag of [0x100, 0x101]) {
      // A tag of one LONG or SHORT, little endian: the tag, its type, how many, the value.
      const at = [3, 4]
        .map((type) => tiff.indexOf(Buffer.of(tag & 0xff, tag >> 8, type, 0, 1, 0, 0, 0)))
        .find((i) => i > 0);
      tiff.writeUInt16LE(60_000, at! + 8);
    }
    await expect(checkBytes(tiff)).rejects.toEqual(refusal('too-large', 'a tiff of 60000×60000'));
  });
});

it.each<[string, string | Uint8Array, RegExp]>([
  ['a web page', '<!DOCTYPE html><html>404', /^a web page, as a failed download leaves: pictures may be/],
  ['a pointer of Git LFS', 'version https://git-lfs.github.com/spec/v1\noid sha256:1', /git lfs pull/],
  ['a HEIC', '\0\0\0\x18ftypheic\0\0\0\0mif1heic', /^a HEIC/],
  ['a JPEG 2000', '\0\0\0\x0cjP  \r\n\x87\n', /^a JPEG 2000/],
  ['an SVG', '<?xml version="1.0"?><svg xmlns="x"/>', /^an SVG/],
])('%s is refused by name', async (_, content, message) => {
  const bytes = typeof content === 'string' ? Buffer.from(content, 'latin1') : content;
  await expect(decodeBytes(bytes)).rejects.toEqual(refusal('unsupported-format', message));
});

it('tells formats by bytes, not by names', () => {
  expect(otherFormat(Buffer.from('BMW drives past the house, and stops'))).toBeNull();
  expect(otherFormat(Buffer.from('\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf', 'latin1'))).toBe('avif');
});

describe('the photograph of reports', () => {
  const cases = shared('cases/odd-pictures');
  const read = (name: string): Promise<Awaited<ReturnType<typeof decodeBytes>>> =>
    decodeBytes(readFileSync(cases.path(name)));

  itWith([cases], 'is the same in every lossless format, and alike in the others', async () => {
    const base = await read('base.png');
    for (const name of ['base.bmp', 'base.tiff', 'lossless.webp', 'lies.jpg'])
      expect(Buffer.compare((await read(name)).data, base.data), name).toBe(0);
    for (const [name, most] of [
      ['base.gif', 14],
      ['base.avif', 5],
      ['base.jpg', 5],
      ['gif-lies.jpg', 14],
    ] as const) {
      const { data } = await read(name);
      const apart = data.reduce((sum, value, i) => sum + Math.abs(value - base.data[i]), 0) / data.length;
      expect(apart, name).toBeLessThan(most);
    }
  });

  itWith([cases], 'is refused by name where it can not be read', async () => {
    for (const [name, code, message] of [
      ['cmyk.jpg', 'unsupported-format', /^a jpeg in CMYK/],
      ['truncated.jpg', 'truncated', /^a jpeg that ends too early/],
      ['trunc.png', 'truncated', /^a png that ends too early/],
      ['empty.jpg', 'truncated', /^no bytes/],
      ['html.jpg', 'unsupported-format', /^a web page/],
      ['base.jp2', 'unsupported-format', /^a JPEG 2000/],
      ['56mp.jpg', 'too-large', /7000×8000/],
    ] as const)
      await expect(read(name), name).rejects.toEqual(refusal(code, message));
  });
});
