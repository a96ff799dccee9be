import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { builtFolder } from '../../cli/io/assets.ts';
import { nodeDecoders } from '../../runtime/hosts/node-decoders.ts';
import { decodePicture } from '../../runtime/preprocess/decode.ts';
import { readPictureHeader } from '../../runtime/preprocess/read-header.ts';

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

  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'turns a JPEG with EXIF orientation %i upright, as sharp does',
    async (orientation) => {
      const bytes = await drawing().jpeg().withMetadata({ orientation }).toBuffer();
      const { data, info } = await sharp(bytes).autoOrient().raw().toBuffer({ resolveWithObject: true });
      const picture = await decodePicture(bytes, decoders);
      expect([picture.width, picture.height]).toEqual([info.width, info.height]);
      expect(Buffer.compare(picture.data, data)).toBe(0);
    },
  );

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
