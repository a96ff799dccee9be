/** Mistakes: one line that says what is wrong, a hint, exit code 1 or 2, and nothing left behind. */
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import sharp from 'sharp';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readSafetensors, type Tensor, writeSafetensors } from '../../runtime/artifact/safetensors.ts';
import { readRecord, slim, slimJson, TINY_LABELS, workFolder, writePictures, writeTinyModel } from '../support/cli.ts';

const work = workFolder();
const model = work.path('model');
const pictures = work.path('pictures');
const small = work.path('small');
const artifact = work.path('small.slim');
const out = work.path('out');
const train = [
  'train',
  '--model',
  model,
  '--data',
  pictures,
  '--rank',
  '4',
  '--batch-size',
  '8',
  '--steps',
  '2',
  '--threads',
  '1',
  '--out',
  out,
];
const finetune = ['finetune', ...train.slice(1).filter((arg, i, all) => arg !== '--rank' && all[i - 1] !== '--rank')];

beforeAll(async () => {
  await writeTinyModel(model);
  await writePictures(pictures, { train: 6, val: 2 });
  await slimJson([...train.slice(0, -1), small]);
  await slimJson(['pack', small, '--out', artifact]);
});
beforeEach(() => rmSync(out, { recursive: true, force: true }));
afterAll(() => work.remove());

/** Runs what must fail, and holds it to what every failure owes the user. */
async function fails(
  args: readonly string[],
  code: 1 | 2,
  message: string | RegExp,
  hint: string | RegExp | null = null,
): Promise<void> {
  const outcome = await slim(args);
  const [error, told, ...rest] = outcome.stderr
    .trimEnd()
    .split('\n')
    .filter((line) => !/^(compressing|fine-tuning|teacher:|step|batch|note:)/.test(line));
  expect({ code: outcome.code, stdout: outcome.stdout, rest }, outcome.stderr).toEqual({ code, stdout: '', rest: [] });
  expect(error).toMatch(/^error: /);
  expect(error).not.toMatch(/\.ts:|Error:|undefined|\[object/);
  if (typeof message === 'string') expect(error).toContain(message);
  else expect(error).toMatch(message);
  if (hint === null) expect(told).toBeUndefined();
  else if (typeof hint === 'string') expect(told).toContain(hint);
  else expect(told).toMatch(hint);
  expect(told ?? '').not.toContain('bug in slim');
}

/** The flags of `args` with one changed. */
function having(args: readonly string[], flag: string, value: string): string[] {
  const changed = [...args];
  const at = changed.indexOf(flag);
  if (at < 0) return [...changed, flag, value];
  changed[at + 1] = value;
  return changed;
}

function without(args: readonly string[], flag: string): string[] {
  const at = args.indexOf(flag);
  return [...args.slice(0, at), ...args.slice(at + 2)];
}

describe('slim train, before it begins', () => {
  it.each<[string, string[], 1 | 2, string | RegExp, string | RegExp | null]>([
    ['no --model', without(train, '--model'), 2, '--model is missing', 'See --help'],
    [
      'a preset of a text model',
      having(train, '--model', 'bert-tiny'),
      2,
      'bert-tiny is a preset',
      'slim finetune --model bert-tiny',
    ],
    [
      'a preset as teacher',
      having(train, '--model', 'vit-pico'),
      2,
      'vit-pico is a preset',
      'slim finetune --model vit-pico',
    ],
    ['no --data', without(train, '--data'), 2, '--data is missing', 'See --help'],
    ['an empty --data', having(train, '--data', ''), 2, '--data is missing', 'See --help'],
    [
      'a model that is not there',
      having(train, '--model', work.path('nope')),
      1,
      'nope does not exist',
      'A model is a Hugging Face folder',
    ],
    [
      'an artifact as model',
      having(train, '--model', artifact),
      1,
      'small.slim is a file, expected a folder',
      'A model is',
    ],
    ['a folder without a model', having(train, '--model', pictures), 1, 'pictures has no config.json', 'A model is'],
    ['data that is not there', having(train, '--data', work.path('nope')), 1, 'there is no data folder', 'glyphs'],
    [
      'a file as data',
      having(train, '--data', artifact),
      1,
      'small.slim is a file of no type that is known',
      'Known layouts',
    ],
    ['too few glyphs', having(train, '--data', 'glyphs:3'), 2, 'must be a whole number from 10', 'glyphs:6000'],
    [
      'a teacher with other labels',
      having(train, '--data', 'glyphs:64'),
      1,
      "the teacher's labels are dark, grey, light (3), the data's are 0, 1, 2 ... (10)",
      'Fine-tune it first',
    ],
    [
      'a compressed teacher',
      having(train, '--model', small),
      1,
      'is compressed already',
      'Give the run of slim finetune',
    ],
    [
      'a rank that saves nothing',
      having(train, '--rank', '9'),
      2,
      'rank 9 makes layer block.0.query (16×16) larger than it is: it pays off below 8.0',
      '--force-rank',
    ],
    [
      'a rank above the layer',
      having(train, '--rank', '17'),
      2,
      'rank 17 for layer block.0.query (16×16): expected a whole number from 1 to 16',
      null,
    ],
    [
      'a layer that is not there',
      having(train, '--layer-rank', 'side=4'),
      2,
      '--layer-rank side: there is no such layer',
      'query, key, value',
    ],
    [
      'a batch larger than the data, which has too few samples to be cut',
      [...having(train, '--batch-size', '38'), '--accumulate', '19'],
      2,
      "--batch-size 38 is larger than the training data (18 samples), which can't be cut in 19",
      'Leave out --accumulate and --devices.',
    ],
    [
      'a batch that is not to be cut so',
      [...having(train, '--batch-size', '9'), '--accumulate', '2'],
      2,
      '--batch-size 9 with --accumulate 2: expected a multiple of 2',
      'The nearest is --batch-size 10.',
    ],
    [
      'a batch that devices cannot share',
      [...having(train, '--batch-size', '13'), '--accumulate', '2', '--devices', '3', '--engine', 'xla'],
      2,
      '--batch-size 13 with --accumulate 2 and --devices 3: expected a multiple of 6',
      'The nearest is --batch-size 12.',
    ],
    [
      'a batch whose nearest multiple is more than a batch may be',
      [...having(train, '--batch-size', '65535'), '--accumulate', '3', '--devices', '2', '--engine', 'xla'],
      2,
      '--batch-size 65535 with --accumulate 3 and --devices 2: expected a multiple of 6',
      'The nearest is --batch-size 65532.',
    ],
    [
      'an unknown augmentation',
      having(train, '--augment', 'blur'),
      2,
      'unknown augmentation "blur"',
      'flip, shift:PIXELS',
    ],
    ['--resume of nothing', [...train, '--resume'], 2, 'is not a run', 'Leave out --resume'],
    [
      '--resume with --overwrite',
      [...train, '--resume', '--overwrite'],
      2,
      "option '--resume' cannot be used with option '--overwrite'",
      'slim train --help',
    ],
    ['--out below a file', having(train, '--out', `${artifact}/run`), 1, "can't write", null],
  ])('refuses %s and leaves no folder', async (_, args, code, message, hint) => {
    await fails(args, code, message, hint);
    expect(existsSync(out)).toBe(false);
  });

  it('takes a rank that saves nothing with --force-rank', async () => {
    expect((await slim([...having(train, '--rank', '9'), '--force-rank'])).code).toBe(0);
  });
});

describe('--out', () => {
  it('must be free', async () => {
    await fails(having(train, '--out', small), 2, 'small already exists', '--overwrite');
    await fails(having(train, '--out', artifact), 2, 'small.slim is a file, expected a folder');
    await fails(['quantize', small, '--out', pictures], 2, 'pictures already exists', '--overwrite');
    await fails(['pack', small, '--out', pictures], 2, 'expected a name that ends with .slim');
  });

  it.each(['/', '.', pictures])('--overwrite never empties %s, which is no run', async (folder) => {
    const before = readdirSync(folder);
    await fails(
      [...having(train, '--out', folder), '--overwrite'],
      2,
      'is not a run (it has no run.json), so --overwrite leaves it alone',
      'Choose another folder.',
    );
    expect(readdirSync(folder)).toEqual(before);
  });

  it("--overwrite does not take another program's run.json for a run", async () => {
    mkdirSync(out);
    writeFileSync(`${out}/run.json`, '{"name": "mine"}');
    await fails([...train, '--overwrite'], 1, 'run.json: expected version 1, got none', 'by another program');
    expect(readFileSync(`${out}/run.json`, 'utf8')).toBe('{"name": "mine"}');
  });

  it("--overwrite replaces a run's files and leaves others alone", async () => {
    cpSync(small, out, { recursive: true });
    writeFileSync(`${out}/notes.txt`, 'mine');
    writeFileSync(`${out}/model.safetensors`, 'of an earlier fine-tuning');
    expect((await slim([...having(train, '--seed', '5'), '--overwrite'])).code).toBe(0);
    expect(readRecord(out).configuration).toMatchObject({ seed: 5 });
    expect(readdirSync(out).sort()).toEqual([
      'checkpoint.safetensors',
      'config.json',
      'events.out.tfevents.slim',
      'metrics.jsonl',
      'notes.txt',
      'preprocessor_config.json',
      'run.json',
      'weights.safetensors',
    ]);
  });

  it('is not the model that is read, by whatever name', async () => {
    cpSync(small, out, { recursive: true });
    for (const name of [out, `${out}/`, `${out}/../out`]) {
      await fails(
        ['quantize', out, '--overwrite', '--out', name],
        2,
        'is the model that is read',
        'Choose another folder.',
      );
    }
    expect(readFileSync(`${out}/weights.safetensors`).equals(readFileSync(`${small}/weights.safetensors`))).toBe(true);
  });

  it('may hold what a killed process was writing', async () => {
    mkdirSync(out);
    writeFileSync(`${out}/run.json.123.tmp`, '{');
    expect((await slim(train)).code).toBe(0);
    expect(readdirSync(out).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });
});

describe('pictures', () => {
  const bad = work.path('bad-pictures');
  const damaged = `${bad}/train/grey/3.png`;
  beforeEach(() => {
    rmSync(bad, { recursive: true, force: true });
    cpSync(pictures, bad, { recursive: true });
  });

  it('an empty class folder is named', async () => {
    mkdirSync(`${bad}/train/blue`);
    await fails(
      having(finetune, '--data', bad),
      1,
      `the class folder ${bad}/train/blue has no pictures`,
      'remove the folder',
    );
    expect(existsSync(out)).toBe(false);
  });

  it.each([
    ['text', (): void => writeFileSync(damaged, 'no picture'), 'not a picture of a known format'],
    ['cut short', (): void => writeFileSync(damaged, readFileSync(damaged).subarray(0, 200)), 'ends too early'],
    ['empty', (): void => writeFileSync(damaged, ''), 'an empty picture'],
  ])('a picture that is %s is named; --skip-bad goes on and counts', async (_, damage, message) => {
    damage();
    await fails(having(finetune, '--data', bad), 1, new RegExp(`${damaged}: .*${message}`), '--skip-bad');
    expect(existsSync(out)).toBe(false);
    expect(await slimJson([...having(finetune, '--data', bad), '--skip-bad'])).toMatchObject({
      skipped: 1,
      samples: 6,
    });
    expect((await slim(['evaluate', out, '--data', bad, '--skip-bad'])).stdout).toMatch(
      /accuracy .* on 6 samples, 1 skipped/,
    );
  });

  it('one class is nothing to tell apart', async () => {
    const single = work.path('single');
    rmSync(single, { recursive: true, force: true });
    mkdirSync(single);
    cpSync(`${pictures}/train/dark`, `${single}/dark`, { recursive: true });
    await fails(
      having(finetune, '--data', single),
      1,
      'has one class only (dark)',
      'the folder that holds the class folders',
    );
    expect(existsSync(out)).toBe(false);
  });

  it('hidden files are no pictures', async () => {
    const cluttered = work.path('cluttered');
    rmSync(cluttered, { recursive: true, force: true });
    cpSync(pictures, cluttered, { recursive: true });
    writeFileSync(`${cluttered}/val/dark/._1.png`, 'resource fork');
    const { samples } = await slimJson(['evaluate', model, '--data', cluttered, '--threads', '1']);
    expect(samples).toBe(2 * TINY_LABELS.length);
  });

  it('a picture whose data is damaged is named when it is used, and the run failed', async () => {
    const bytes = readFileSync(damaged);
    for (let i = 60; i < 200; i++) bytes[i] ^= 0x55;
    writeFileSync(damaged, bytes);
    await fails(having(finetune, '--data', bad), 1, `${damaged}: `, '--skip-bad');
    expect(readRecord(out)).toMatchObject({ status: 'failed' });
  });
});

describe('checkpoints', () => {
  const broken = work.path('broken');
  const config = `${broken}/config.json`;
  const weights = `${broken}/model.safetensors`;
  beforeEach(() => {
    rmSync(broken, { recursive: true, force: true });
    cpSync(model, broken, { recursive: true });
  });

  const changeConfig = (changes: object): void =>
    writeFileSync(config, JSON.stringify({ ...(JSON.parse(readFileSync(config, 'utf8')) as object), ...changes }));
  const changeTensors = (change: (tensors: Map<string, Tensor>) => void): void => {
    const tensors = new Map(readSafetensors(readFileSync(weights)).tensors);
    change(tensors);
    writeFileSync(weights, writeSafetensors(tensors));
  };
  const up = 'vit.encoder.layer.1.intermediate.dense.weight';

  it.each<[string, () => void, string | RegExp, string | RegExp | null]>([
    [
      'an unknown architecture',
      () => changeConfig({ model_type: 'llama' }),
      'is of the unknown architecture "llama"',
      'Supported: vit',
    ],
    [
      'sizes that do not fit',
      () => changeConfig({ num_attention_heads: 3 }),
      'hidden_size divisible by 3 heads, got 16',
      null,
    ],
    [
      'a size that is no number',
      () => changeConfig({ hidden_size: 'wide' }),
      'expected hidden_size to be a whole number',
      null,
    ],
    ['broken JSON', () => writeFileSync(config, '{'), 'config.json is not valid JSON', null],
    [
      'a missing tensor',
      () => changeTensors((tensors) => tensors.delete(up)),
      `tensor ${up} is missing in ${weights}`,
      'Does config.json belong',
    ],
    [
      'a tensor of another shape',
      () => changeTensors((tensors) => tensors.set(up, { ...tensors.get(up)!, shape: [16, 32] })),
      `tensor ${up} in ${weights}: expected shape (32, 16), got (16, 32)`,
      'Does config.json belong',
    ],
    [
      'integers',
      () => changeTensors((tensors) => tensors.set(up, { dtype: 'I32', shape: [32, 16], data: tensors.get(up)!.data })),
      `tensor ${up} in ${weights}: expected F32, F16, BF16 or F64, got I32`,
      null,
    ],
    [
      'a file that is cut short',
      () => writeFileSync(weights, readFileSync(weights).subarray(0, 5000)),
      'model.safetensors is damaged',
      'Fetch or make it again.',
    ],
    [
      'text for weights',
      () => writeFileSync(weights, 'version https://git-lfs.github.com/spec/v1'),
      'model.safetensors is damaged',
      'Fetch or make it again.',
    ],
    ['no weights', () => rmSync(weights), 'has none of model.safetensors, ', 'save_pretrained'],
  ])('%s', async (_, breakIt, message, hint) => {
    breakIt();
    await fails(having(train, '--model', broken), 1, message, hint);
    expect(existsSync(out)).toBe(false);
  });

  /** Every value of a tensor. */
  const fill = (tensors: Map<string, Tensor>, name: string, value: number): void => {
    const { dtype, shape, data } = tensors.get(name)!;
    const values = new Float32Array(data.length / 4).fill(value);
    tensors.set(name, { dtype, shape, data: new Uint8Array(values.buffer) });
  };

  it('weights that are no numbers', async () => {
    changeTensors((tensors) => fill(tensors, up, NaN));
    const packed = ['pack', broken, '--out', work.path('x.slim')];
    for (const args of [
      having(finetune, '--model', broken),
      having(train, '--model', broken),
      ['evaluate', broken, '--data', pictures],
      ['quantize', broken, '--out', out],
      packed,
    ]) {
      await fails(args, 1, `tensor block.1.up.weight in ${broken} holds NaN`, 'diverge');
    }
    expect(existsSync(out)).toBe(false);
    expect(existsSync(work.path('x.slim'))).toBe(false);
  });

  it('weights that are too large to compute with', async () => {
    changeTensors((tensors) => fill(tensors, 'classifier.weight', 3e38));
    await fails(
      having(finetune, '--model', broken),
      1,
      /training diverged: loss is (NaN|-?Infinity) at step 0/,
      'The last good checkpoint is kept in',
    );
    expect(readRecord(out)).toMatchObject({ status: 'failed', steps: { done: 0, total: 2 } });
    rmSync(out, { recursive: true });
    await fails(having(train, '--model', broken), 1, /the model answers (NaN|-?Infinity)/, 'diverge');
    await fails(['evaluate', broken, '--data', pictures], 1, /the model answers (NaN|-?Infinity)/, 'diverge');
    await slimJson(['pack', broken, '--out', work.path('large.slim')]);
    await fails(
      ['evaluate', work.path('large.slim'), '--data', pictures],
      1,
      /the model answers (NaN|-?Infinity)/,
      'diverge',
    );
  });

  it("a run's weights", async () => {
    cpSync(small, out, { recursive: true });
    const path = `${out}/weights.safetensors`;
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.subarray(0, bytes.length - 4));
    await fails(['evaluate', out, '--data', pictures], 1, `${path} is damaged`, 'Make the run again.');
    const { tensors } = readSafetensors(bytes);
    writeFileSync(path, writeSafetensors(new Map([...tensors].filter(([name]) => name !== 'block.1.up.loraA'))));
    await fails(['pack', out, '--out', work.path('x.slim')], 1, `tensor block.1.up.loraA is missing in ${path}`);
    rmSync(path);
    await fails(['pack', out, '--out', work.path('x.slim')], 1, `can't read ${path}`);
    expect(existsSync(work.path('x.slim'))).toBe(false);
  });

  it("a run's record", async () => {
    cpSync(small, out, { recursive: true });
    const record = readRecord(out);
    for (const [changes, message] of [
      [{ version: 2 }, 'expected version 1, got 2'],
      [{ status: 'perhaps' }, 'field status is missing or wrong: "perhaps"'],
      [{ steps: {} }, 'field steps is missing or wrong: {}'],
      [{ accuracy: [1] }, 'field accuracy is missing or wrong: [1]'],
      [{ compression: { ranks: 3 } }, 'field compression is missing or wrong'],
    ] as const) {
      writeFileSync(`${out}/run.json`, JSON.stringify({ ...record, ...changes }));
      await fails(['inspect', out], 1, `${out}/run.json: ${message}`, 'version' in changes ? 'another version' : null);
    }
    writeFileSync(`${out}/run.json`, '{"version": 1,');
    await fails(['inspect', out], 1, `${out}/run.json is not valid JSON`);
  });
});

describe('artifacts', () => {
  const damaged = work.path('damaged.slim');
  const picture = `${pictures}/val/grey/0.png`;
  const commands = [
    ['inspect', damaged],
    ['predict', damaged, picture],
    ['serve', damaged, '--port', '0'],
    ['evaluate', damaged, '--data', pictures],
  ];

  it.each<[string, () => Uint8Array | string, string]>([
    ['cut short', () => readFileSync(artifact).subarray(0, 4000), 'is no valid artifact'],
    ['one byte short', () => readFileSync(artifact).subarray(0, -1), 'is no valid artifact'],
    [
      'changed in its last byte',
      () => readFileSync(artifact).map((byte, i, all) => (i === all.length - 1 ? byte ^ 1 : byte)),
      'the tensors were changed after packing',
    ],
    ['empty', () => '', 'is no valid artifact'],
    ['a text', () => 'hello, this is no artifact at all', 'is no valid artifact'],
    ['a checkpoint', () => readFileSync(`${model}/model.safetensors`), 'pack it first'],
  ])('%s', async (_, bytes, message) => {
    writeFileSync(damaged, bytes());
    for (const command of commands)
      await fails(
        command,
        1,
        new RegExp(`${damaged} is no valid artifact: .*${message === 'is no valid artifact' ? '' : message}`),
        'slim pack',
      );
  });

  it('that are not there, or a folder', async () => {
    await fails(['predict', work.path('nope.slim'), picture], 1, 'nope.slim does not exist', 'slim pack');
    await fails(['serve', small], 1, 'small is a folder', 'slim pack');
    await fails(['evaluate', work.path('nope.slim'), '--data', pictures], 1, 'nope.slim does not exist', 'Give a run');
    await fails(
      ['evaluate', artifact, '--data', 'glyphs:64'],
      1,
      "the model does not know the data's classes 0 (",
      `It knows ${TINY_LABELS.join(', ')}.`,
    );
  });
});

describe('slim predict', () => {
  const odd = (name: string): string => work.path(name);
  const predict = (path: string): Promise<Record<string, unknown>> => slimJson(['predict', artifact, path]);

  it('takes odd pictures', async () => {
    const create = (width: number, height: number, channels: 3 | 4 = 3) =>
      sharp({ create: { width, height, channels, background: { r: 200, g: 20, b: 90, alpha: 0.5 } } });
    await create(1, 1).png().toFile(odd('dot.png'));
    await create(3000, 2).jpeg().toFile(odd('sliver.jpg'));
    await create(40, 30, 4).webp().toFile(odd('see-through.webp'));
    await create(40, 30).greyscale().jpeg().toFile(odd('grey.jpg'));
    copyFileSync(odd('grey.jpg'), odd('grey.txt'));
    for (const name of ['dot.png', 'sliver.jpg', 'see-through.webp', 'grey.jpg', 'grey.txt']) {
      const { predictions } = await predict(odd(name));
      const scores = (predictions as { score: number }[]).map(({ score }) => score);
      expect(scores.reduce((a, b) => a + b)).toBeCloseTo(1, 6);
    }
  });

  it('refuses what is no picture, naming it', async () => {
    await sharp({ create: { width: 16_500, height: 1, channels: 3, background: 'red' } })
      .png()
      .toFile(odd('wide.png'));
    await fails(['predict', artifact, odd('wide.png')], 1, `${odd('wide.png')}: a png of 16500×1 pixels: at most`);
    // A header of 60,000 × 60,000 on nothing: refused before memory is asked for.
    const huge = readFileSync(odd('dot.png'));
    huge.writeUInt32BE(60_000, 16);
    huge.writeUInt32BE(60_000, 20);
    writeFileSync(odd('huge.png'), huge);
    await fails(['predict', artifact, odd('huge.png')], 1, `${odd('huge.png')}: a png of 60000×60000 pixels`);
    writeFileSync(odd('drawing.svg'), '<svg xmlns="http://www.w3.org/2000/svg"/>');
    await fails(['predict', artifact, odd('drawing.svg')], 1, `${odd('drawing.svg')}: an SVG: pictures may be`);
    mkdirSync(work.path('nothing'), { recursive: true });
    await fails(['predict', artifact, work.path('nothing')], 1, 'no pictures are found in', 'Expected names such as');
    await fails(['predict', artifact, odd('nope.png')], 1, `can't read ${odd('nope.png')}`);
  });
});

describe('slim serve', () => {
  it('says that a port is in use', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as AddressInfo;
    await fails(
      ['serve', artifact, '--port', String(port)],
      1,
      `port ${port} on 127.0.0.1 is in use: choose another, or 0 for any free one`,
    );
    other.close();
  });
});
