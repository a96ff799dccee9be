/** The whole way of texts through the command line: every stage's number is held to the next one's. */
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readArtifact } from '../../runtime/artifact/artifact.ts';
import { readSafetensors, writeSafetensors } from '../../runtime/artifact/safetensors.ts';
import { readMetrics, readRecord, slim, slimJson, untimed, workFolder, writeReviews } from '../support/cli.ts';

const work = workFolder();
const paths = {
  data: work.path('reviews'),
  teacher: work.path('teacher'),
  small: work.path('small'),
  smaller: work.path('smaller'),
  int8: work.path('int8'),
};
const data = ['--data', paths.data];
const engine = ['--threads', '1'];
const teacherArgs = [
  'finetune',
  '--model',
  'bert-pico',
  ...data,
  ...engine,
  '--max-tokens',
  '24',
  '--vocabulary-size',
  '300',
  '--epochs',
  '10',
  '--batch-size',
  '16',
  '--learning-rate',
  '0.003',
];
const trainArgs = [
  'train',
  '--model',
  paths.teacher,
  ...data,
  ...engine,
  '--rank',
  '8',
  '--epochs',
  '6',
  '--batch-size',
  '16',
  '--learning-rate',
  '0.003',
  '--decay-end',
  '0.5',
];
const embeddingArgs = ['--embedding-rank', '16', '--prune-vocabulary'];

let teacher: Record<string, unknown>;
let small: Record<string, unknown>;
let smaller: Record<string, unknown>;
let told = '';

beforeAll(async () => {
  writeReviews(paths.data);
  teacher = await slimJson([...teacherArgs, '--out', paths.teacher]);
  small = await slimJson([...trainArgs, '--out', paths.small]);
  smaller = await slimJson([...trainArgs, ...embeddingArgs, '--out', paths.smaller], {
    onStderr: (text) => {
      told += text;
    },
  });
}, 240_000);

afterAll(() => work.remove());

describe('slim finetune', () => {
  it('trains a preset on texts, with a vocabulary of its own', async () => {
    expect(teacher).toMatchObject({ run: paths.teacher, samples: 60, steps: 120, skipped: 0 });
    expect(teacher.accuracy).toBeGreaterThan(0.8);
    expect(await slimJson(['evaluate', paths.teacher, ...data, ...engine])).toMatchObject({
      accuracy: teacher.accuracy,
      samples: 60,
    });
  });

  it('writes a Hugging Face folder with its tokenizer', () => {
    const config = JSON.parse(readFileSync(`${paths.teacher}/config.json`, 'utf8')) as Record<string, unknown>;
    const { model } = JSON.parse(readFileSync(`${paths.teacher}/tokenizer.json`, 'utf8')) as {
      model: { type: string; vocab: Record<string, number> };
    };
    expect(config).toMatchObject({ model_type: 'bert', id2label: { 0: 'neg', 1: 'pos' } });
    expect(model.type).toBe('WordPiece');
    expect(Object.keys(model.vocab).length).toBe(config.vocab_size);
    expect(JSON.parse(readFileSync(`${paths.teacher}/tokenizer_config.json`, 'utf8'))).toMatchObject({
      model_max_length: 24,
    });
  });

  it('goes on where it was interrupted, to the same weights: order, buckets and dropout are told by the seed', async () => {
    const stopped = work.path('stopped');
    const controller = new AbortController();
    const { code } = await slim([...teacherArgs, '--out', stopped], {
      signal: controller.signal,
      onStderr: (text) => {
        if (/step 48\/120/.test(text)) controller.abort();
      },
    });
    expect(code).toBe(130);
    const resumed = await slimJson([...teacherArgs, '--out', stopped, '--resume']);
    expect(resumed.accuracy).toBe(teacher.accuracy);
    expect(untimed(readMetrics(stopped))).toEqual(untimed(readMetrics(paths.teacher)));
    expect(
      readFileSync(`${stopped}/model.safetensors`).equals(readFileSync(`${paths.teacher}/model.safetensors`)),
    ).toBe(true);
  }, 120_000);
});

describe('slim train', () => {
  it('keeps what the teacher knows in the adapters, and says what slim evaluate measures', async () => {
    expect(small.teacherAccuracy).toBe(teacher.accuracy);
    expect(small.accuracy).toBeGreaterThan(0.8);
    expect(await slimJson(['evaluate', paths.small, ...data, ...engine])).toMatchObject({ accuracy: small.accuracy });
  });

  it('compresses the embeddings where it is asked to', async () => {
    expect(smaller.accuracy).toBeGreaterThan(0.8);
    expect(await slimJson(['evaluate', paths.smaller, ...data, ...engine])).toMatchObject({
      accuracy: smaller.accuracy,
    });
    const { tensors } = readSafetensors(readFileSync(`${paths.smaller}/weights.safetensors`));
    const { vocab_size: vocabulary, hidden_size: width } = JSON.parse(
      readFileSync(`${paths.smaller}/config.json`, 'utf8'),
    ) as Record<string, number>;
    expect(tensors.get('embedding.word.loraB')!.shape).toEqual([vocabulary, 16]);
    expect(tensors.get('embedding.word.loraA')!.shape).toEqual([16, width]);
    expect(tensors.has('embedding.word')).toBe(false);
    // What it saves and costs, in words: (V + D)·16 parameters for V·D, and D·16 MACs a token.
    expect(told).toMatch(/note: The vocabulary is pruned from \d+ tokens to \d+\.\n/);
    const numbers = [vocabulary * width, (vocabulary + width) * 16, 24 * width * 16].map((value) =>
      value.toLocaleString('en-US'),
    );
    expect(told).toContain(
      `note: At rank 16 the word embeddings go from ${numbers[0]} parameters to ${numbers[1]}, ` +
        `for ${numbers[2]} MACs more on the longest text.`,
    );
    const { accuracy, costs } = readRecord(paths.smaller) as {
      accuracy: { stage: string }[];
      costs: Record<'teacher' | 'model', { whole: { parameters: number } }>;
    };
    expect(accuracy.map(({ stage }) => stage)).toEqual(['teacher', 'pruned-vocabulary', 'pc-lora']);
    expect(costs.model.whole.parameters).toBe(
      [...tensors.values()].reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0),
    );
  });

  it('prunes no token that the training texts use', async () => {
    const [before, after] = [paths.teacher, paths.smaller].map((run) =>
      Object.keys(
        (JSON.parse(readFileSync(`${run}/tokenizer.json`, 'utf8')) as { model: { vocab: object } }).model.vocab,
      ),
    );
    expect(after.length).toBeLessThan(before.length);
    for (const word of ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'lovely', 'boring', 'film', '.'])
      expect(after).toContain(word);
    expect(before).toEqual(expect.arrayContaining(after));
  });
});

describe('what ships', () => {
  it('answers as it was evaluated, in float and in int8', async () => {
    const packed = work.path('smaller.slim');
    await slimJson(['pack', paths.smaller, '--out', packed]);
    expect(await slimJson(['evaluate', packed, ...data])).toMatchObject({ accuracy: smaller.accuracy });

    const quantized = await slimJson(['quantize', paths.smaller, ...data, '--out', paths.int8]);
    const artifact = work.path('int8.slim');
    await slimJson(['pack', paths.int8, '--out', artifact]);
    expect(await slimJson(['evaluate', artifact, ...data])).toMatchObject({ accuracy: quantized.accuracy });
    expect(quantized.accuracy).toBeGreaterThan(0.8);
    const { manifest } = await readArtifact(new Uint8Array(readFileSync(artifact)));
    expect(manifest).toMatchObject({
      task: 'text-classification',
      labels: ['neg', 'pos'],
      preprocessing: { kind: 'text', maxTokens: 24 },
    });
  });

  it('classifies a text from the command line', async () => {
    const artifact = work.path('int8.slim');
    const { predictions } = (await slimJson([
      'predict',
      artifact,
      '--text',
      'a lovely story with brilliant music.',
    ])) as { predictions: { label: string; score: number }[] };
    expect(predictions[0].label).toBe('pos');
    writeFileSync(work.path('review.txt'), 'a boring, tedious film.');
    expect((await slimJson(['predict', artifact, work.path('review.txt')])).predictions).toMatchObject([
      { label: 'neg' },
      { label: 'pos' },
    ]);
  });
});

describe('mistakes', () => {
  const out = work.path('never');
  it.each([
    [['finetune', '--model', 'vit-pico', ...data, '--out', out], 2, 'is a preset for pictures, and', 'bert-tiny'],
    [
      ['finetune', '--model', 'bert-pico', '--data', 'glyphs', '--out', out],
      2,
      'is a preset for texts, and glyphs holds pictures',
      'vit-pico',
    ],
    [
      ['finetune', '--model', 'bert-pico', ...data, '--image-size', '32', '--out', out],
      2,
      '--image-size is for pictures',
      '',
    ],
    [
      ['finetune', '--model', 'bert-pico', ...data, '--augment', 'flip', '--out', out],
      2,
      '--augment is for pictures',
      '',
    ],
    [['finetune', '--model', 'bert-pico', ...data, '--max-tokens', '100000', '--out', out], 2, 'from 4 to 65536', ''],
    [['finetune', '--model', 'bert-pico', ...data, '--max-tokens', '600', '--out', out], 1, '512', ''],
    [
      ['finetune', '--model', 'vit-pico', '--data', 'glyphs', '--vocabulary-size', '400', '--out', out],
      2,
      '--vocabulary-size is for texts',
      '',
    ],
    [
      ['train', '--model', 'bert-pico', ...data, '--out', out],
      2,
      'has no trained weights to compress',
      'slim finetune',
    ],
    [['finetune', '--model', 'bert-pico', ...data, '--label-column', 'nothing', '--out', out], 1, 'nothing', 'label'],
  ])('%j', async (args, code, message, hint) => {
    const outcome = await slim(args);
    expect(outcome, outcome.stderr).toMatchObject({ code, stdout: '' });
    expect(outcome.stderr).toContain(message);
    expect(outcome.stderr).toContain(hint);
    expect(outcome.stderr).not.toMatch(/\.ts:|bug in slim/);
    expect(existsSync(out)).toBe(false);
  });

  it('refuses a data set of other labels than the teacher knows', async () => {
    const other = work.path('other');
    writeReviews(other, { train: 20, validation: 10 });
    for (const part of ['train', 'validation'])
      writeFileSync(
        `${other}/${part}.jsonl`,
        readFileSync(`${other}/${part}.jsonl`, 'utf8').replaceAll('"pos"', '"good"'),
      );
    const { code, stderr } = await slim(['train', '--model', paths.teacher, '--data', other, '--out', out]);
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining("the teacher's labels are neg, pos (2), the data's are good, neg (2)"),
    ]);
  });

  it('refuses a teacher whose head nobody trained', async () => {
    const bare = work.path('bare');
    mkdirSync(bare);
    for (const name of ['config.json', 'tokenizer.json', 'tokenizer_config.json'])
      copyFileSync(`${paths.teacher}/${name}`, `${bare}/${name}`);
    const { tensors } = readSafetensors(readFileSync(`${paths.teacher}/model.safetensors`));
    writeFileSync(
      `${bare}/model.safetensors`,
      writeSafetensors(new Map([...tensors].filter(([name]) => !name.startsWith('classifier')))),
    );
    const { code, stderr } = await slim(['train', '--model', bare, ...data, '--out', out]);
    expect([code, stderr]).toEqual([
      1,
      `error: ${bare} has no trained classification head\n` +
        `hint: Fine-tune it first: slim finetune --model ${bare} --data ...\n`,
    ]);
  });
});
