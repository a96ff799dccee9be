// Workers run from dist/, which `npm test` builds first.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import sharp from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import { parseAugment } from '../../cli/data/augment.ts';
import { batches } from '../../cli/data/batches.ts';
import { type CachedSplit, type CacheOptions, cachedSplit } from '../../cli/data/cache/cached-split.ts';
import { openPictures } from '../../cli/data/dataset.ts';
import { picturePool } from '../../cli/data/picture-pool.ts';
import type { Split } from '../../cli/data/split.ts';
import { builtAsset } from '../../cli/io/assets.ts';
import { expectFree } from '../../cli/io/disk.ts';
import { fitPicture } from '../../runtime/preprocess/fit.ts';
import { defaultImagePreprocess, type ImagePreprocess } from '../../runtime/preprocess/spec.ts';
import { random } from '../../runtime/random.ts';
import { damagedPng, folderOf } from './picture-files.ts';

const spec: ImagePreprocess = {
  ...defaultImagePreprocess({ height: 8, width: 8 }),
  resize: { mode: 'shortest-edge', edge: 10 },
};
const plain = parseAugment('none');

afterAll(async () => {
  await picturePool(1).close();
});

/** A picture of noise: no two are alike, and no pixel is its neighbour. */
function noise(seed: number, width: number, height: number): Promise<Uint8Array> {
  const source = random(seed);
  const data = Uint8Array.from({ length: width * height * 3 }, () => source.below(256));
  return sharp(data, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 90 })
    .toBuffer();
}

/** A data set of `count` training pictures of several sizes, and two for testing. */
async function photos(count = 7): Promise<string> {
  const files: Record<string, Uint8Array> = {};
  for (let i = 0; i < count; i++) files[`train/${i % 2 ? 'b' : 'a'}/${i}.jpg`] = await noise(i, 20 + i, 24 - (i % 5));
  for (const name of ['a', 'b']) files[`val/${name}/1.jpg`] = await noise(99, 16, 16);
  return folderOf(files);
}

async function trainOf(folder: string): Promise<Split> {
  return (await openPictures(folder, { seed: 1 })).train;
}

/** A cache in `folder`, and how many pictures were decoded for it. */
async function cached(
  split: Split,
  folder: string,
  augment = plain,
  extra: Partial<CacheOptions> = {},
): Promise<CachedSplit & { readonly decoded: number }> {
  let decoded = 0;
  const options: CacheOptions = {
    folder,
    signal: new AbortController().signal,
    workers: 1,
    onPicture: (done) => {
      decoded = done;
    },
    ...extra,
  };
  return { ...(await cachedSplit(split, spec, augment, options)), decoded };
}

async function pixelsOf(split: Split, augment = plain, workers = 1): Promise<number[][]> {
  const all: number[][] = [];
  const options = { spec, augment, workers, batchSize: 3, seed: 5, shuffle: true };
  for (let epoch = 0; epoch < 2; epoch++)
    for await (const { pictures, labels } of batches(split, { ...options, epoch })) all.push([...labels, ...pictures]);
  return all;
}

/** The only file in a folder. */
function onlyFile(folder: string): string {
  const names = readdirSync(folder);
  expect(names).toEqual([expect.stringMatching(/^[0-9a-f]{32}\.pictures$/)]);
  return join(folder, names[0]);
}

const refusal = (message: string, hint = ''): unknown =>
  expect.objectContaining({
    name: 'UserError',
    message: expect.stringContaining(message),
    hint: expect.stringContaining(hint),
  });

describe('a cache', () => {
  it.each(['none', 'flip,shift:2,pad:1', 'crop:0.5', 'flip,crop:0.3,shift:1'])(
    'gives the batches that the files give, --augment %s, on any thread',
    async (flags) => {
      const augment = parseAugment(flags);
      const data = await photos();
      const folder = folderOf({});
      const expected = await pixelsOf(await trainOf(data), augment);
      const first = await cached(await trainOf(data), folder, augment);
      const second = await cached(await trainOf(data), folder, augment);
      expect([first.decoded, second.decoded]).toEqual([7, 0]);
      expect(first.notices).toEqual([
        expect.stringMatching(
          flags.includes('crop') ? /keeps 7 pictures decoded, in/ : /7 pictures decoded and fitted/,
        ),
      ]);
      expect(second.notices).toEqual([]);
      for (const { split } of [first, second]) {
        expect(split.source(0)).toMatchObject({ kind: 'cached', fitted: !flags.includes('crop') });
        expect(await pixelsOf(split, augment, 1)).toEqual(expected);
        expect(await pixelsOf(split, augment, 0)).toEqual(expected);
      }
      await Promise.all([first.close(), second.close()]);
    },
  );

  it('holds what sharp decodes, picture after picture', async () => {
    const data = await photos();
    const folder = folderOf({});
    const { split, close } = await cached(await trainOf(data), folder, parseAugment('crop:0.5'));
    const paths = split.files!.paths;
    const raw = await Promise.all(paths.map((path) => sharp(readFileSync(path)).raw().toBuffer()));
    const expected = Buffer.concat(raw);
    const file = readFileSync(onlyFile(folder));
    expect(file.subarray(0, 16).toString()).toBe('slim pictures 1\n');
    expect(file.subarray(16, 16 + expected.length).equals(expected)).toBe(true);
    expect(Buffer.from((await split.picture(3)).data).equals(raw[3])).toBe(true);
    await close();
  });

  it('of fitted pictures holds what is left of them', async () => {
    const data = await photos();
    const folder = folderOf({});
    const files = await trainOf(data);
    const { close } = await cached(files, folder);
    const file = readFileSync(onlyFile(folder));
    for (let i = 0; i < files.size; i++) {
      const { data: expected } = fitPicture(await files.picture(i), spec);
      expect(file.subarray(16 + i * 192, 16 + (i + 1) * 192).equals(Buffer.from(expected))).toBe(true);
    }
    await close();
  });

  it('is another one for another part, fit or split, and the same for another normalization', async () => {
    const data = await photos();
    const folder = folderOf({});
    const { train, test } = await openPictures(data, { seed: 1 });
    const keep = async (split: Split, settings: ImagePreprocess, flags = 'none'): Promise<void> => {
      const options = { folder, signal: new AbortController().signal, workers: 1, onPicture: () => undefined };
      await (await cachedSplit(split, settings, parseAugment(flags), options)).close();
    };
    await keep(train, spec);
    await keep(test, spec);
    await keep(train, { ...spec, resample: 'bicubic' });
    await keep(train, spec, 'crop:0.5');
    expect(readdirSync(folder)).toHaveLength(4);
    await keep(train, { ...spec, mean: [0, 0, 0], rescaleFactor: 1 });
    await keep(train, spec, 'flip');
    await keep(train, { ...spec, resample: 'bicubic' }, 'crop:0.2');
    expect(readdirSync(folder)).toHaveLength(4);
    const halves = join(data, 'train');
    for (const seed of [1, 2]) await keep((await openPictures(halves, { seed, validationFraction: 0.3 })).train, spec);
    expect(readdirSync(folder)).toHaveLength(6);
  });

  it('is found by another way to the same folder', async () => {
    const data = await photos();
    const folder = folderOf({});
    const { close } = await cached(await trainOf(data), folder);
    await close();
    const link = join(folderOf({}), 'link');
    symlinkSync(data, link);
    const again = await cached(await trainOf(`${link}/`), folder);
    expect(again.decoded).toBe(0);
    await again.close();
  });

  it('is of no use for pictures that lie decoded in memory, and says so', async () => {
    const { train } = await openPictures('glyphs:10', { seed: 1 });
    const folder = folderOf({});
    const { split, notices } = await cached(train, folder);
    expect([split, notices]).toEqual([train, [expect.stringContaining('--cache is of no use here')]]);
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('a cache whose pictures change', () => {
  const changes: Record<string, [change: (data: string) => Promise<void>, why: string]> = {
    'in bytes': [
      async (data) => writeFileSync(`${data}/train/a/2.jpg`, await noise(50, 30, 30)),
      'train/a/2.jpg has changed since it was made',
    ],
    'in time': [
      async (data) => utimesSync(`${data}/train/a/0.jpg`, 1e9, 1e9),
      'train/a/0.jpg has changed since it was made',
    ],
    'more than once': [
      async (data) => ['a/0', 'b/1'].forEach((name) => utimesSync(`${data}/train/${name}.jpg`, 1e9, 1e9)),
      '2 of its 7 pictures have changed since it was made',
    ],
    'by one more': [
      async (data) => writeFileSync(`${data}/train/b/9.jpg`, await noise(50, 30, 30)),
      'pictures were added or removed',
    ],
    'by one less': [async (data) => rmSync(`${data}/train/b/3.jpg`), 'pictures were added or removed'],
    'by a name': [
      async (data) => renameSync(`${data}/train/a/0.jpg`, `${data}/train/a/00.jpg`),
      'pictures were added or removed',
    ],
  };

  it.each(Object.entries(changes))('%s is made again', async (_, [change, why]) => {
    const data = await photos();
    const folder = folderOf({});
    await (await cached(await trainOf(data), folder)).close();
    await change(data);
    const { split, notices, close, decoded } = await cached(await trainOf(data), folder);
    expect(decoded).toBe(split.size);
    expect(notices).toEqual([expect.stringContaining(why)]);
    expect(await pixelsOf(split)).toEqual(await pixelsOf(await trainOf(data)));
    onlyFile(folder);
    await close();
  });
});

describe('a cache that is damaged', () => {
  /** Bytes of a cache's footer, with its checksums made right again. */
  function reseal(file: Buffer, change: (footer: Buffer) => void): Buffer {
    const footer = file.subarray(file.length - 32);
    change(footer);
    const from = footer.readDoubleLE(0);
    if (from >= 0 && from < file.length - 32) footer.writeUInt32LE(crc32(file.subarray(from, file.length - 32)), 16);
    footer.writeUInt32LE(crc32(footer.subarray(0, 20)), 20);
    return file;
  }
  const entryAt = (file: Buffer, i: number): number => file.length - 32 - (7 - i) * 32;

  const damages: Record<string, (file: Buffer) => Buffer> = {
    'cut short by a byte': (file) => file.subarray(0, file.length - 1),
    'cut to its half': (file) => file.subarray(0, file.length / 2),
    'cut to its magic': (file) => file.subarray(0, 16),
    empty: () => Buffer.alloc(0),
    'longer by a byte': (file) => Buffer.concat([file, Buffer.alloc(1)]),
    'of zeros': (file) => Buffer.alloc(file.length),
    'something else': (file) => Buffer.from(random(1).uniform().toString().repeat(file.length).slice(0, file.length)),
    'of another version': (file) => Buffer.concat([Buffer.from('slim pictures 2\n'), file.subarray(16)]),
    'flipped in the index': (file) => flip(file, entryAt(file, 2) + 3),
    'flipped in the description': (file) => flip(file, file.readDoubleLE(file.length - 32) + 5),
    'flipped in the footer': (file) => flip(file, file.length - 20),
    'hostile: it begins nowhere': (file) => reseal(file, (footer) => footer.writeDoubleLE(NaN, 0)),
    'hostile: it begins before the file': (file) => reseal(file, (footer) => footer.writeDoubleLE(-1e9, 0)),
    'hostile: four billion pictures': (file) => reseal(file, (footer) => footer.writeUInt32LE(2 ** 32 - 1, 12)),
    'hostile: a description of its own': (file) => {
      const at = file.readDoubleLE(file.length - 32);
      const longer = Buffer.concat([file.subarray(0, at), Buffer.from(' '), file.subarray(at)]);
      return reseal(longer, (footer) => footer.writeUInt32LE(footer.readUInt32LE(8) + 1, 8));
    },
    'hostile: a picture larger than the file': (file) => {
      file.writeUInt32LE(2 ** 32 - 1, entryAt(file, 1) + 16);
      return reseal(file, () => undefined);
    },
    'hostile: a picture of no pixels': (file) => {
      file.writeUInt32LE(0, entryAt(file, 6) + 20);
      return reseal(file, () => undefined);
    },
    'hostile: pictures of another size': (file) => {
      for (let i = 0; i < 7; i++) {
        file.writeUInt32LE(4, entryAt(file, i) + 16);
        file.writeUInt32LE(16, entryAt(file, i) + 20);
      }
      return reseal(file, () => undefined);
    },
  };
  function flip(file: Buffer, at: number): Buffer {
    file[at] ^= 1;
    return file;
  }

  it.each(Object.entries(damages))('%s is made again', async (name, damage) => {
    const data = await photos();
    const folder = folderOf({});
    await (await cached(await trainOf(data), folder)).close();
    const path = onlyFile(folder);
    const whole = readFileSync(path);
    writeFileSync(path, damage(Buffer.from(whole)));
    const { notices, close, decoded } = await cached(await trainOf(data), folder);
    const why = name.endsWith('another size') ? 'its pictures have another size' : 'it is damaged, or was made by';
    expect([decoded, notices]).toEqual([7, [expect.stringContaining(`It was made again: ${why}`)]]);
    expect(readFileSync(path).equals(whole)).toBe(true);
    await close();
  });

  it('in a picture is refused by the names of both, on any thread', async () => {
    const data = await photos();
    const folder = folderOf({});
    await (await cached(await trainOf(data), folder)).close();
    const path = onlyFile(folder);
    writeFileSync(path, flip(readFileSync(path), 16 + 2 * 192 + 100));
    const { split, close, decoded } = await cached(await trainOf(data), folder);
    expect(decoded).toBe(0);
    const named = refusal(
      `the cache ${path} is damaged where it keeps ${split.files!.paths[2]}: expected CRC-32`,
      'Remove it',
    );
    for (const workers of [0, 1]) await expect(pixelsOf(split, plain, workers)).rejects.toEqual(named);
    expect((await split.picture(1)).data).toHaveLength(192);
    await close();
  });

  it('while it is in use is refused, too', async () => {
    const data = await photos();
    const folder = folderOf({});
    const { split, close } = await cached(await trainOf(data), folder);
    truncateSync(onlyFile(folder), 16 + 192 + 50);
    expect((await split.picture(0)).data).toHaveLength(192);
    await expect(split.picture(1)).rejects.toEqual(refusal('it was cut short while it was in use'));
    await close();
  });

  it('or is a folder, is refused', async () => {
    const data = await photos();
    const folder = folderOf({});
    await (await cached(await trainOf(data), folder)).close();
    const path = onlyFile(folder);
    rmSync(path);
    mkdirSync(path);
    await expect(cached(await trainOf(data), folder)).rejects.toEqual(
      refusal('is a folder or a device, expected a file'),
    );
  });
});

describe('writing a cache', () => {
  it('leaves nothing where it is interrupted', async () => {
    const data = await photos();
    const folder = folderOf({});
    const stop = new AbortController();
    const onPicture = (done: number): void => {
      expect(readdirSync(folder)).toEqual([expect.stringMatching(/\.tmp$/)]);
      if (done === 4) stop.abort();
    };
    const interrupted = cached(await trainOf(data), folder, plain, { onPicture, signal: stop.signal });
    await expect(interrupted).rejects.toMatchObject({ name: 'Interrupted' });
    expect(readdirSync(folder)).toEqual([]);
  });

  it('leaves nothing where a picture is damaged, which is named', async () => {
    const data = await photos();
    writeFileSync(`${data}/train/b/7.png`, await damagedPng());
    const folder = folderOf({});
    await expect(cached(await trainOf(data), folder)).rejects.toEqual(refusal(`${data}/train/b/7.png: `, '--skip-bad'));
    expect(readdirSync(folder)).toEqual([]);
  });

  it('by two at the same time gives both a whole one', async () => {
    const data = await photos();
    const folder = folderOf({});
    const both = await Promise.all([1, 2].map(async () => cached(await trainOf(data), folder)));
    const expected = await pixelsOf(await trainOf(data));
    for (const { split } of both) expect(await pixelsOf(split)).toEqual(expected);
    onlyFile(folder);
    await Promise.all(both.map(({ close }) => close()));
  });

  it('over one that is in use leaves that as it was for who reads it', async () => {
    const data = await photos();
    const folder = folderOf({});
    const expected = await pixelsOf(await trainOf(data));
    const before = await cached(await trainOf(data), folder);
    writeFileSync(`${data}/train/a/0.jpg`, await noise(77, 40, 40));
    const after = await cached(await trainOf(data), folder);
    expect(await pixelsOf(before.split)).toEqual(expected);
    expect(await pixelsOf(after.split)).not.toEqual(expected);
    await Promise.all([before.close(), after.close()]);
  });

  it('clears away what writers have left that are no more, and nothing else', async () => {
    const data = await photos();
    const here = createHash('sha256').update(hostname()).digest('hex').slice(0, 8);
    const gone = spawnSync(process.execPath, ['-e', '']).pid;
    const name = 'ab'.repeat(16);
    const leftovers = {
      dead: `${name}.pictures.${here}-${gone}-00000000.tmp`,
      ours: `${name}.pictures.${here}-${process.pid}-00000000.tmp`,
      stale: `${name}.pictures.00000000-1-00000000.tmp`,
    };
    const kept = {
      alive: `${name}.pictures.${here}-${process.ppid}-00000000.tmp`,
      elsewhere: `${name}.pictures.00000000-1-11111111.tmp`,
      foreign: 'notes.tmp',
    };
    const folder = folderOf(
      Object.fromEntries([...Object.values(leftovers), ...Object.values(kept)].map((n) => [n, 'x'])),
    );
    utimesSync(join(folder, leftovers.stale), 1e9, 1e9);
    await (await cached(await trainOf(data), folder)).close();
    const names = readdirSync(folder).filter((n) => !/^[0-9a-f]{32}\.pictures$/.test(n));
    expect(names.sort()).toEqual(Object.values(kept).sort());
  });

  it('that was killed leaves none; the next one clears away what it had written', async () => {
    const data = await photos(120);
    const folder = folderOf({});
    const out = join(folderOf({}), 'run');
    const flags = [
      'finetune',
      '--model',
      'vit-pico',
      '--data',
      data,
      '--steps',
      '1',
      '--batch-size',
      '4',
      '--out',
      out,
    ];
    const child = spawn(process.execPath, [builtAsset('slim.mjs').pathname, ...flags, '--cache', folder]);
    const ended = new Promise((resolve) => child.once('close', resolve));
    let told = '';
    child.stderr.on('data', (text: Buffer) => {
      told += text.toString();
      if (told.includes('pictures decoded')) child.kill('SIGKILL');
    });
    await ended;
    expect(told).toContain('cache 4/120  pictures decoded');
    const left = readdirSync(folder);
    expect(left).toEqual([expect.stringMatching(/\.tmp$/)]);
    const { split, close, decoded } = await cached(await trainOf(data), folder);
    expect(decoded).toBe(120);
    expect(await pixelsOf(split)).toEqual(await pixelsOf(await trainOf(data)));
    onlyFile(folder);
    await close();
  });

  it('asks for room first, and says how much there is', async () => {
    const folder = folderOf({});
    const what = ['the cache of pictures', '--cache'] as const;
    await expectFree(folder, 1, ...what);
    await expect(expectFree(folder, 2 ** 62, ...what)).rejects.toEqual(
      refusal(`the cache of pictures takes 4611686018.4 GB in ${folder}, and `, 'Free some space'),
    );
  });

  it('where nothing can be written says so', async () => {
    const data = await photos();
    const file = join(folderOf({ 'a-file': '' }), 'a-file');
    await expect(cached(await trainOf(data), join(file, 'cache'))).rejects.toEqual(
      refusal(`can't write the cache ${file}/cache/`, 'Name a folder'),
    );
  });
});
