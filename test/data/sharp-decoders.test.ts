import { readdirSync, readFileSync } from 'node:fs';
import sharp, { type Sharp } from 'sharp';
import { describe, expect, it } from 'vitest';
import { sharpDecoders } from '../../cli/data/sharp-decoders.ts';
import { builtFolder } from '../../cli/io/assets.ts';
import { nodeDecoders } from '../../runtime/hosts/node-decoders.ts';
import { decodePicture } from '../../runtime/preprocess/decode.ts';
import { type Random, random } from '../../runtime/random.ts';
import { itWith, shared } from '../support/shared.ts';

/** Training decodes with sharp, serving with WebAssembly: they have to see the same pixels. */
describe('sharp and the serving decoders', () => {
  const ants = shared('data/ants-bees/val/ants');
  itWith([ants], 'give the same pixels of real photographs', async () => {
    const serving = nodeDecoders(builtFolder());
    const names = readdirSync(ants.path());
    expect(names.length).toBeGreaterThan(50);
    for (const name of names) {
      const bytes = readFileSync(ants.path(name));
      const trained = await decodePicture(bytes, sharpDecoders);
      const served = await decodePicture(bytes, serving);
      expect([served.width, served.height, Buffer.compare(served.data, trained.data)], name).toEqual([
        trained.width,
        trained.height,
        0,
      ]);
    }
  });

  it('give the same pixels of drawn photographs, whatever their size and quality', async () => {
    const serving = nodeDecoders(builtFolder());
    const source = random(5);
    for (let i = 0; i < 60; i++) {
      const [width, height, quality] = [1 + source.below(260), 1 + source.below(260), 20 + source.below(81)];
      const chromaSubsampling = i % 3 === 0 ? '4:4:4' : '4:2:0';
      const bytes = await photograph(source, width, height).jpeg({ quality, chromaSubsampling }).toBuffer();
      const trained = await decodePicture(bytes, sharpDecoders);
      const served = await decodePicture(bytes, serving);
      expect(
        [trained.width, trained.height, served.width, served.height, Buffer.compare(served.data, trained.data)],
        `${width}×${height}, ${quality}, ${chromaSubsampling}`,
      ).toEqual([width, height, width, height, 0]);
    }
  });

  it('give the same pixels of every kind of file', async () => {
    const serving = nodeDecoders(builtFolder());
    for (const [kind, bytes] of await kindsOfFile()) {
      const trained = await decodePicture(bytes, sharpDecoders);
      expect(Buffer.compare((await decodePicture(bytes, serving)).data, trained.data), kind).toBe(0);
    }
  });
});

/** Light that falls off, edges, and grain: what a codec meets in a photograph. */
function photograph(source: Random, width: number, height: number): Sharp {
  const centre = [source.uniform() * width, source.uniform() * height];
  const slope = source.uniform() * 2;
  const tint = [source.uniform(), source.uniform(), source.uniform()];
  const pixels = Uint8ClampedArray.from({ length: width * height * 3 }, (_, i) => {
    const [x, y, channel] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width), i % 3];
    const light = 220 * Math.exp(-Math.hypot(x - centre[0], y - centre[1]) / 90);
    const edge = y > slope * x ? 70 : 0;
    return light * tint[channel] + edge * (1 - tint[channel]) + 8 * source.normal() + 30;
  });
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}

async function kindsOfFile(): Promise<readonly (readonly [kind: string, bytes: Uint8Array])[]> {
  const pixels = Uint8Array.from({ length: 61 * 43 * 3 }, (_, i) => (i + ((i * i) >> 9)) % 256);
  const drawing = sharp(pixels, { raw: { width: 61, height: 43, channels: 3 } });
  return [
    ['jpeg', await drawing.clone().jpeg().toBuffer()],
    ['jpeg, full chroma', await drawing.clone().jpeg({ chromaSubsampling: '4:4:4' }).toBuffer()],
    ['jpeg, progressive', await drawing.clone().jpeg({ progressive: true }).toBuffer()],
    ['jpeg, grey', await drawing.clone().greyscale().jpeg().toBuffer()],
    ['jpeg with a colour profile', await drawing.clone().withIccProfile('p3').jpeg().toBuffer()],
    ['png', await drawing.clone().png().toBuffer()],
    ['png, palette', await drawing.clone().png({ palette: true, colours: 16 }).toBuffer()],
    ['png, grey', await drawing.clone().greyscale().png().toBuffer()],
    ['png, transparent', await drawing.clone().ensureAlpha(0.4).png().toBuffer()],
    ['png, 16 bits', await drawing.clone().toColourspace('rgb16').png().toBuffer()],
    ['webp', await drawing.clone().webp().toBuffer()],
    ['webp, transparent', await drawing.clone().ensureAlpha(0.4).webp().toBuffer()],
    ['webp, lossless', await drawing.clone().webp({ lossless: true }).toBuffer()],
  ];
}
