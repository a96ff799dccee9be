import { readFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { builtFolder } from '../../cli/io/assets.ts';
import { nodeDecoders } from '../../runtime/hosts/node-decoders.ts';
import { decodePicture } from '../../runtime/preprocess/decode.ts';
import { readPictureHeader } from '../../runtime/preprocess/read-header.ts';
import { itWith, shared } from '../support/shared.ts';

const decoders = nodeDecoders(builtFolder());
const width = 45;
const height = 30;
const channels = 3;
const pixels = Uint8Array.from(
  { length: width * height * channels },
  (_, i) => (i * 5 + Math.floor(i / 97) * 11) % 256,
);
const drawing = () => sharp(pixels, { raw: { width, height, channels } });

const refusal = (code: string, message = ''): unknown =>
  expect.objectContaining({ name: 'PreprocessError', code, message: expect.stringContaining(message) });

describe('decodePicture', () => {
  it('gives the bytes of a lossless file', async () => {
    const expected = { width, height, data: pixels };
    expect(await decodePicture(await drawing().png().toBuffer(), decoders)).toEqual(expected);
    expect(await decodePicture(await drawing().webp({ lossless: true }).toBuffer(), decoders)).toEqual(expected);
  });

  it('drops transparency without blending, as Pillow\'s convert("RGB")', async () => {
    const translucent = await drawing().ensureAlpha(0.25).png().toBuffer();
    expect((await decodePicture(translucent, decoders)).data).toEqual(pixels);
  });

  it('makes grey into RGB', async () => {
    const grey = await drawing().greyscale().png().toBuffer();
    const { data } = await decodePicture(grey, decoders);
    expect(data).toHaveLength(width * height * 3);
    expect(data.every((value, i) => value === data[i - (i % 3)])).toBe(true);
  });

  it.each(['jpeg', 'png', 'webp'] as const)(
    'turns a %s upright as its EXIF orientation says, as sharp does',
    async (format) => {
      for (const orientation of [1, 2, 3, 4, 5, 6, 7, 8]) {
        const bytes = await drawing().toFormat(format).withMetadata({ orientation }).toBuffer();
        expect(readPictureHeader(bytes).orientation, `${format} ${orientation}`).toBe(orientation);
        const { data, info } = await sharp(bytes).autoOrient().raw().toBuffer({ resolveWithObject: true });
        const picture = await decodePicture(bytes, decoders);
        expect([picture.width, picture.height]).toEqual([info.width, info.height]);
        expect(Buffer.compare(picture.data, data), `${format} ${orientation}`).toBe(0);
      }
    },
  );

  it.each(['', 'Exif\0\0'])('takes the EXIF of a PNG and of a WebP after "%s", wherever it stands', async (before) => {
    const exif = Buffer.concat([Buffer.from(before), TURNED]);
    const png = await drawing().png().toBuffer();
    const webp = await drawing().webp({ lossless: true }).toBuffer();
    for (const bytes of [
      withPngChunk(png, 33, 'eXIf', exif),
      withPngChunk(png, png.length - 12, 'eXIf', exif),
      extendedWebp(webp, exif),
    ])
      expect(await decodePicture(bytes, decoders)).toMatchObject({ width: height, height: width });
  });

  it('leaves a picture as it is whose EXIF means nothing', async () => {
    const png = await drawing().png().toBuffer();
    for (const exif of [TURNED.subarray(0, 12), Buffer.from('MM'), Buffer.alloc(40, 0xff), Buffer.alloc(0)])
      expect(await decodePicture(withPngChunk(png, 33, 'eXIf', exif), decoders)).toMatchObject({ width, height });
  });

  const cases = shared('cases/exif-png-webp');
  itWith([cases], 'turns the PNG and the WebP of a report as the JPEG beside them', async () => {
    const jpeg = await decodePicture(readFileSync(cases.path('../odd-pictures/exif6.jpg')), decoders);
    const whole = await decodePicture(readFileSync(cases.path('../odd-pictures/base.png')), decoders);
    expect([jpeg.width, jpeg.height]).toEqual([whole.height, whole.width]);
    for (const name of ['exif6.png', 'exif6.webp']) {
      const { width, height, data } = await decodePicture(readFileSync(cases.path(name)), decoders);
      expect([width, height]).toEqual([whole.height, whole.width]);
      // Orientation 6: what was stored as the lower left corner is shown as the upper left one.
      const lowerLeft = (whole.height - 1) * whole.width * 3;
      expect(data.subarray(0, 3)).toEqual(whole.data.subarray(lowerLeft, lowerLeft + 3));
    }
  });

  it('decodes a view into a larger buffer', async () => {
    const bytes = await drawing().png().toBuffer();
    const larger = new Uint8Array(bytes.length + 20);
    larger.set(bytes, 10);
    expect((await decodePicture(larger.subarray(10, 10 + bytes.length), decoders)).data).toEqual(pixels);
  });
});

describe('refused pictures', () => {
  const decode = (bytes: Uint8Array): Promise<unknown> => decodePicture(bytes, decoders);

  it.each(['jpeg', 'png', 'webp'] as const)('%s: cut anywhere', async (format) => {
    const bytes = await drawing().toFormat(format).toBuffer();
    for (const share of [0.05, 0.3, 0.6, 0.9, 0.99]) {
      await expect(decode(bytes.subarray(0, Math.floor(bytes.length * share)))).rejects.toEqual(refusal('truncated'));
    }
  });

  it('no bytes, text, GIF', async () => {
    await expect(decode(new Uint8Array())).rejects.toEqual(refusal('truncated', 'no bytes'));
    await expect(decode(Buffer.from('hello, this is no picture'))).rejects.toEqual(
      refusal('unsupported-format', 'JPEG, PNG and WebP'),
    );
    await expect(decode(await drawing().gif().toBuffer())).rejects.toEqual(refusal('unsupported-format'));
  });

  it('a CMYK JPEG', async () => {
    await expect(decode(await drawing().toColourspace('cmyk').jpeg().toBuffer())).rejects.toEqual(
      refusal('unsupported-format', 'CMYK'),
    );
  });

  it('a small file that claims 50,000×50,000 pixels, before decoding', async () => {
    const bytes = await drawing().png().toBuffer();
    bytes.writeUInt32BE(50_000, 16);
    bytes.writeUInt32BE(50_000, 20);
    const untouchable = { jpeg: neverCalled, png: neverCalled, webp: neverCalled };
    await expect(decodePicture(bytes, untouchable)).rejects.toEqual(refusal('too-large', '50000×50000'));
  });

  it('damage inside the data of a PNG, and the next picture still decodes', async () => {
    const bytes = await drawing().png().toBuffer();
    const damaged = Buffer.from(bytes);
    for (let i = 60; i < 90; i++) damaged[i] ^= 0x55;
    await expect(decode(damaged)).rejects.toEqual(refusal('corrupt'));
    expect((await decodePicture(bytes, decoders)).data).toEqual(pixels);
  });

  it('any bytes behind a signature end in a PreprocessError', async () => {
    const starts = await Promise.all(
      (['jpeg', 'png', 'webp'] as const).map((format) => drawing().toFormat(format).toBuffer()),
    );
    for (const start of starts) {
      for (let at = 3; at < 60; at++) {
        const mutated = Buffer.from(start);
        mutated[at] ^= 0xff;
        expect(outcome(mutated)).toMatch(/^(header|PreprocessError)$/);
      }
    }
  });
});

/** EXIF of one tag: orientation 6, big endian. */
const TURNED = Buffer.from('4d4d002a00000008000101120003000000010006000000000000', 'hex');

function withPngChunk(png: Buffer, at: number, type: string, data: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(data.length);
  head.write(type, 4, 'latin1');
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(crc32(Buffer.concat([head.subarray(4), data])));
  return Buffer.concat([png.subarray(0, at), head, data, checksum, png.subarray(at)]);
}

/** A WebP of one chunk as an extended one: VP8X, the picture, EXIF. */
function extendedWebp(webp: Buffer, exif: Buffer): Buffer {
  const chunk = (type: string, data: Buffer): Buffer => {
    const head = Buffer.alloc(8);
    head.write(type, 'latin1');
    head.writeUInt32LE(data.length, 4);
    return Buffer.concat([head, data, Buffer.alloc(data.length & 1)]);
  };
  const canvas = Buffer.alloc(10);
  canvas[0] = 0x08;
  canvas.writeUIntLE(width - 1, 4, 3);
  canvas.writeUIntLE(height - 1, 7, 3);
  return chunk(
    'RIFF',
    Buffer.concat([Buffer.from('WEBP'), chunk('VP8X', canvas), webp.subarray(12), chunk('EXIF', exif)]),
  );
}

function outcome(bytes: Uint8Array): string {
  try {
    readPictureHeader(bytes);
    return 'header';
  } catch (error) {
    return (error as Error).name;
  }
}

function neverCalled(): never {
  throw new Error('the decoder was called');
}
