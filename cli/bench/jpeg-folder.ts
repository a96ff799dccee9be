import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Random, random } from '../../runtime/random.ts';
import { loadSharp } from '../data/sharp-decoders.ts';

/** ImageNet's usual size. */
const WIDTH = 500;
const HEIGHT = 375;
const QUALITY = 90;
const CLASSES = ['a', 'b'];
/** Pictures that differ; more are copies, as making one takes longer than preparing it. */
const DISTINCT = 256;

/**
 * Makes an image folder of `count` JPEGs for training and two for testing: gradients under blurred noise, which take
 * about as long to decode as photographs do.
 */
export async function makeJpegFolder(
  folder: string,
  count: number,
  onPicture: (done: number, total: number) => void,
): Promise<void> {
  for (const part of ['train', 'val'])
    for (const name of CLASSES) await mkdir(join(folder, part, name), { recursive: true });
  const made: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    if (i < DISTINCT) made.push(await jpegOf(random(5, i)));
    await writeFile(join(folder, 'train', CLASSES[i % CLASSES.length], `${i}.jpg`), made[i % DISTINCT]);
    onPicture(i + 1, count);
  }
  for (const name of CLASSES) await writeFile(join(folder, 'val', name, '0.jpg'), await jpegOf(random(6)));
}

async function jpegOf(source: Random): Promise<Uint8Array> {
  const sharp = await loadSharp();
  const pixels = new Uint8ClampedArray(WIDTH * HEIGHT * 3);
  const [right, down] = [120 * source.uniform(), 90 * source.uniform()];
  let at = 0;
  for (let y = 0; y < HEIGHT; y++)
    for (let x = 0; x < WIDTH; x++)
      for (let channel = 0; channel < 3; channel++)
        pixels[at++] = (right * x) / WIDTH + (down * y) / HEIGHT + 30 * channel + 160 * (source.uniform() - 0.3);
  return sharp(pixels, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } })
    .blur(1)
    .jpeg({ quality: QUALITY })
    .toBuffer();
}
