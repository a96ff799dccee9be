import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { expect, it } from 'vitest';
import { builtAsset } from '../../cli/io/assets.ts';
import { decodePicture, DecoderAbsent } from '../../runtime/preprocess/decode.ts';
import { jsquashDecoders } from '../../runtime/preprocess/jsquash-decoders.ts';

it.each(['jpeg', 'png', 'webp'] as const)('a codec for %s that could not be read is no fault of the picture, and is read again for the next one', async (format) => {
  let reads = 0;
  const codec = async (): Promise<WebAssembly.Module> => {
    if (reads++ === 0) throw new Error('EMFILE: too many open files');
    return WebAssembly.compile(await readFile(builtAsset(`codec-${format}.wasm`)));
  };
  const decoders = jsquashDecoders({ jpeg: codec, png: codec, webp: codec });
  const picture = new Uint8Array(await sharp({ create: { width: 4, height: 3, channels: 3, background: '#a04020' } })[format]().toBuffer());
  await expect(decodePicture(picture, decoders)).rejects.toThrow(DecoderAbsent);
  expect(await decodePicture(picture, decoders)).toMatchObject({ width: 4, height: 3 });
  expect(reads).toBe(2);
});
