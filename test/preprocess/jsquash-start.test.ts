import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { expect, it } from 'vitest';
import { builtAsset, builtFolder } from '../../cli/io/assets.ts';
import { nodeDecoders } from '../../runtime/hosts/node-decoders.ts';
import { DecoderAbsent, decodePicture } from '../../runtime/preprocess/decode.ts';
import { jsquashDecoders } from '../../runtime/preprocess/jsquash-decoders.ts';
import { random } from '../../runtime/random.ts';

it.each(['jpeg', 'png', 'webp'] as const)(
  'a codec for %s that could not be read is no fault of the picture, and is read again for the next one',
  async (format) => {
    let reads = 0;
    const codec = async (): Promise<WebAssembly.Module> => {
      if (reads++ === 0) throw new Error('EMFILE: too many open files');
      return WebAssembly.compile(await readFile(builtAsset(`codec-${format}.wasm`)));
    };
    const decoders = jsquashDecoders({ jpeg: codec, png: codec, webp: codec });
    const picture = new Uint8Array(
      await sharp({ create: { width: 4, height: 3, channels: 3, background: '#a04020' } })
        [format]()
        .toBuffer(),
    );
    await expect(decodePicture(picture, decoders)).rejects.toThrow(DecoderAbsent);
    expect(await decodePicture(picture, decoders)).toMatchObject({ width: 4, height: 3 });
    expect(reads).toBe(2);
  },
);

/** Broken where only decoding shows it. */
const BREAKING = 3000;

it.each(['jpeg', 'png', 'webp'] as const)(
  `${BREAKING} broken pictures leave the codec for %s as good as it was`,
  async (format) => {
    const decoders = nodeDecoders(builtFolder());
    const source = random(11, BREAKING);
    const pixels = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7919) % 251);
    const picture = new Uint8Array(
      await sharp(pixels, { raw: { width: 64, height: 64, channels: 3 } })
        [format]()
        .toBuffer(),
    );
    const good = await decodePicture(picture, decoders);
    let refused = 0;
    for (let i = 0; i < BREAKING; i++) {
      const broken = picture.slice();
      for (let flips = 0; flips < 4; flips++)
        broken[20 + source.below(Math.min(600, broken.length - 30))] = source.below(256);
      await decodePicture(broken, decoders).catch(() => refused++);
    }
    expect(refused).toBeGreaterThan(0);
    expect(await decodePicture(picture, decoders)).toEqual(good);
  },
  120_000,
);
