/** The whole way through the command line, in one process: every stage's number is held to the next one's. */
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lambdaAt } from '../../cli/pclora/schedule.ts';
import { readArtifact } from '../../runtime/artifact/artifact.ts';
import { readSafetensors, writeSafetensors } from '../../runtime/artifact/safetensors.ts';
import {
  readMetrics,
  readRecord,
  slim,
  slimJson,
  TINY_LABELS,
  workFolder,
  writePictures,
  writeTinyModel,
} from '../support/cli.ts';

const work = workFolder();
const paths = {
  model: work.path('model'),
  data: work.path('pictures'),
  teacher: work.path('teacher'),
  small: work.path('small'),
  int8: work.path('int8'),
};
const data = ['--data', paths.data];
const engine = ['--threads', '1'];
const trainArgs = [
  'train',
  '--model',
  paths.teacher,
  ...data,
  ...engine,
  '--rank',
  '4',
  '--epochs',
  '8',
  '--batch-size',
  '8',
  '--learning-rate',
  '0.01',
  '--decay-end',
  '0.5',
  '--seed',
  '3',
];
const teacherArgs = [
  'finetune',
  '--model',
  paths.model,
  ...data,
  ...engine,
  '--epochs',
  '12',
  '--batch-size',
  '8',
  '--learning-rate',
  '0.01',
  '--out',
  paths.teacher,
];

let teacher: Record<string, unknown>;
let small: Record<string, unknown>;

beforeAll(async () => {
  await writeTinyModel(paths.model, ['a', 'b']);
  await writePictures(paths.data);
  teacher = await slimJson(teacherArgs);
  small = await slimJson([...trainArgs, '--out', paths.small]);
}, 120_000);

afterAll(() => work.remove());

describe('slim finetune', () => {
  it('learns, and says so with its version', () => {
    expect(teacher).toEqual({
      version: 1,
      run: paths.teacher,
      accuracy: expect.any(Number),
      samples: 36,
      steps: 72,
      dataShare: expect.any(Number),
      skipped: 0,
      classes: ['dark', 'grey', 'light'].map((label) => ({ label, train: 16, test: 12 })),
    });
    expect(teacher.accuracy).toBeGreaterThan(0.5);
  });

  it('gives the accuracy that slim evaluate measures', async () => {
    expect(await slimJson(['evaluate', paths.teacher, ...data, ...engine])).toEqual({
      version: 1,
      problemType: 'single_label_classification',
      accuracy: teacher.accuracy,
      macroPrecision: expect.any(Number),
      macroRecall: expect.any(Number),
      macroF1: expect.any(Number),
      calibrationError: expect.any(Number),
      classes: expect.any(Array),
      confusion: expect.any(Array),
      samples: 36,
      skipped: 0,
    });
  });

  it('writes a Hugging Face folder with the labels of the data', () => {
    const config = JSON.parse(readFileSync(`${paths.teacher}/config.json`, 'utf8')) as {
      id2label: Record<string, string>;
    };
    expect(Object.values(config.id2label)).toEqual(TINY_LABELS);
  });

  it('says that the head is new', async () => {
    const { stderr } = await slim([
      'finetune',
      '--model',
      paths.model,
      ...data,
      ...engine,
      '--batch-size',
      '8',
      '--steps',
      '1',
      '--out',
      work.path('again'),
    ]);
    expect(stderr).toContain('note: The classification head is new: the checkpoint knows 2 labels, the data 3.');
  });
});

describe('slim train', () => {
  it('gives the accuracy that slim evaluate measures, adapters only', async () => {
    expect(small).toMatchObject({ run: paths.small, teacherAccuracy: teacher.accuracy, samples: 36, steps: 48 });
    expect(small.accuracy).toBeGreaterThan(0.5);
    expect(await slimJson(['evaluate', paths.small, ...data, ...engine])).toMatchObject({
      accuracy: small.accuracy,
      samples: 36,
    });
  });

  it('leaves the adapters and no adapted weight', () => {
    const names = [...readSafetensors(readFileSync(`${paths.small}/weights.safetensors`)).tensors.keys()];
    for (const layer of ['query', 'key', 'value', 'attention', 'up', 'down']) {
      expect(names).toEqual(
        expect.arrayContaining([`block.0.${layer}.loraA`, `block.0.${layer}.loraB`, `block.0.${layer}.loraC`]),
      );
      expect(names).not.toContain(`block.0.${layer}.weight`);
    }
  });

  it('records the resolved configuration', () => {
    expect(readRecord(paths.small)).toMatchObject({
      version: 1,
      kind: 'compress',
      status: 'finished',
      source: paths.model,
      steps: { done: 48, total: 48 },
      configuration: {
        ...{
          model: paths.teacher,
          data: paths.data,
          out: paths.small,
          rank: 4,
          epochs: 8,
          batchSize: 8,
          learningRate: 0.01,
          decayEnd: 0.5,
          seed: 3,
          threads: 1,
        },
        ...{
          init: 'svd',
          schedule: 'linear',
          alpha: 0,
          logitLoss: 1,
          augment: 'flip',
          select: 'last',
          engine: 'onnx',
          precision: 'f32',
          device: 'auto',
          clipNorm: 1,
          weightDecay: 0,
          freeze: [],
          forceRank: false,
          fuseQkv: false,
          skipBad: false,
          validationFraction: 0.2,
          splitSeed: 0,
        },
      },
      compression: { method: 'pc-lora', rank: 4, scaling: 1, schedule: 'linear', init: 'svd' },
      accuracy: [
        { stage: 'teacher', accuracy: teacher.accuracy, samples: 36 },
        { stage: 'pc-lora', accuracy: small.accuracy, samples: 36 },
      ],
    });
    expect(Object.keys(readRecord(paths.small).configuration as object)).not.toEqual(expect.arrayContaining(['json']));
  });

  it('logs every step: λ by the schedule, the learning rate, the losses, the time', () => {
    const steps = readMetrics(paths.small).filter(({ loss }) => loss !== undefined);
    expect(steps.map(({ step }) => step)).toEqual(Array.from({ length: 48 }, (_, i) => i));
    for (const line of steps) {
      expect(line.lambda).toBe(lambdaAt('linear', line.step, 24));
      expect(line.epoch).toBe(Math.floor(line.step / 6));
      // Of pictures the labels have no weight by default.
      expect(line.loss).toBeCloseTo(line.feature! + line.logit!, 5);
      expect(line.gradientNorm).toBeGreaterThan(0);
      expect(line.msPerStep).toBeGreaterThan(0);
      expect(line.dataMs).toBeGreaterThanOrEqual(0);
    }
    // A warm-up of a tenth (5 steps), then half a cosine.
    expect(steps.slice(0, 6).map(({ learningRate }) => learningRate)).toEqual([0.002, 0.004, 0.006, 0.008, 0.01, 0.01]);
    expect(steps[47].learningRate).toBeLessThan(1e-4);
    expect(steps[0].lambda).toBe(1);
    expect(steps.slice(24).every(({ lambda }) => lambda === 0)).toBe(true);
  });

  it('logs an evaluation an epoch, the last of which is the result', () => {
    const evaluations = readMetrics(paths.small).filter(({ accuracy }) => accuracy !== undefined);
    expect(evaluations.map(({ step }) => step)).toEqual([5, 11, 17, 23, 29, 35, 41, 47]);
    expect(evaluations.at(-1)).toEqual({ step: 47, epoch: 7, lambda: 0, accuracy: small.accuracy, samples: 36 });
  });

  it('holds out the same pictures whatever its seed, where the data has no split of its own', async () => {
    const own = ['--data', `${paths.data}/train`];
    const split = await slimJson([
      'finetune',
      '--model',
      paths.model,
      ...own,
      ...engine,
      '--batch-size',
      '8',
      '--steps',
      '8',
      '--learning-rate',
      '0.01',
      '--seed',
      '9',
      '--out',
      work.path('own-split'),
    ]);
    expect(split).toMatchObject({ samples: 9 });
    expect((await slimJson(['evaluate', work.path('own-split'), ...own, ...engine])).accuracy).toBe(split.accuracy);
  });

  it('gives the same bytes for the same seed, and others for another', async () => {
    const weights = (run: string): Buffer => readFileSync(`${run}/weights.safetensors`);
    await slimJson([...trainArgs, '--out', work.path('same')]);
    expect(weights(work.path('same')).equals(weights(paths.small))).toBe(true);
    await slimJson([...trainArgs.slice(0, -1), '4', '--out', work.path('other')]);
    expect(weights(work.path('other')).equals(weights(paths.small))).toBe(false);
  });

  it('keeps the best weights under --select best', async () => {
    const best = await slimJson([...trainArgs, '--select', 'best', '--out', work.path('best')]);
    const accuracies = readMetrics(work.path('best')).flatMap(({ accuracy }) =>
      accuracy === undefined ? [] : [accuracy],
    );
    expect(best.accuracy).toBe(Math.max(...accuracies));
    expect((await slimJson(['evaluate', work.path('best'), ...data, ...engine])).accuracy).toBe(best.accuracy);
  });
});

describe('slim quantize and slim pack', () => {
  beforeAll(async () => {
    const quantized = await slimJson(['quantize', paths.small, ...data, '--out', paths.int8]);
    expect(quantized).toMatchObject({ version: 1, run: paths.int8 });
    await slimJson(['pack', paths.small, '--out', work.path('f32.slim')]);
    await slimJson(['pack', paths.int8, '--out', work.path('int8.slim')]);
  });

  it('packs f32 without changing the accuracy', async () => {
    expect(await slimJson(['evaluate', work.path('f32.slim'), ...data])).toMatchObject({
      accuracy: small.accuracy,
      samples: 36,
    });
  });

  it('gives the int8 run and its artifact the same accuracy, which is recorded', async () => {
    const run = await slimJson(['evaluate', paths.int8, ...data]);
    expect(await slimJson(['evaluate', work.path('int8.slim'), ...data])).toEqual(run);
    expect(readRecord(paths.int8)).toMatchObject({
      kind: 'quantize',
      status: 'finished',
      steps: { done: 48, total: 48 },
    });
    expect((readRecord(paths.int8).accuracy as unknown[]).at(-1)).toEqual({
      stage: 'int8',
      accuracy: run.accuracy,
      samples: 36,
    });
  });

  it('tells how often int8 agrees with f32, and the accuracies that slim evaluate measures', async () => {
    const told = await slimJson(['bench', 'agreement', '--model', paths.small, ...data]);
    const int8 = await slimJson(['evaluate', paths.int8, ...data]);
    expect(told).toMatchObject({ version: 1, samples: 36, accuracy: { f32: small.accuracy, int8: int8.accuracy } });
    expect(told.agreement).toBeGreaterThan(0.5);
    expect(told.agreement).toBeLessThanOrEqual(1 - Math.abs(Number(small.accuracy) - Number(int8.accuracy)));
    const refused = await slim(['bench', 'agreement', '--model', paths.int8, ...data]);
    expect([refused.code, refused.stderr.split('\n')[0]]).toEqual([
      1,
      `error: ${paths.int8} is quantized already: there is no f32 model to compare with`,
    ]);
  });

  it('makes the same bytes twice', async () => {
    const result = await slimJson(['pack', paths.int8, '--out', work.path('again.slim')]);
    const bytes = readFileSync(work.path('again.slim'));
    expect(bytes.equals(readFileSync(work.path('int8.slim')))).toBe(true);
    expect(result).toEqual({ version: 1, file: work.path('again.slim'), bytes: bytes.length, precision: 'int8' });
  });

  it('stores weights in int4, and evaluates, packs and serves what was recorded of them', async () => {
    const out = work.path('int4');
    const made = await slimJson(['quantize', paths.small, '--weights', 'int4', ...data, '--out', out]);
    const { accuracy, configuration } = readRecord(out) as unknown as {
      accuracy: readonly object[];
      configuration: { quantize: object };
    };
    expect(accuracy.at(-1)).toEqual({ stage: 'int4', accuracy: made.accuracy, samples: 36 });
    expect(configuration.quantize).toMatchObject({ weights: 'int4' });
    const file = work.path('int4.slim');
    expect(await slimJson(['pack', out, '--out', file])).toMatchObject({ precision: 'int4' });
    expect(await slimJson(['evaluate', file, ...data])).toEqual(await slimJson(['evaluate', out, ...data]));
    expect(await slimJson(['inspect', file])).toMatchObject({ kind: 'artifact', precision: 'int4' });
    const { predictions } = await slimJson(['predict', file, `${paths.data}/val/light/0.png`]);
    expect(predictions).toHaveLength(3);
    expect(await slim(['quantize', out, '--out', work.path('again4')])).toMatchObject({ code: 1 });
  });

  it('names what is missing of int4 weights', async () => {
    const damaged = work.path('damaged4');
    cpSync(work.path('int4'), damaged, { recursive: true });
    const path = `${damaged}/weights.safetensors`;
    const tensors = new Map(readSafetensors(readFileSync(path)).tensors);
    const factors = [...tensors.keys()].find((name) => name.endsWith('.groups'))!;
    const [rows, groups] = tensors.get(factors)!.shape;
    tensors.delete(factors);
    writeFileSync(path, writeSafetensors(tensors));
    expect(await slim(['pack', damaged, '--out', work.path('damaged4.slim')])).toMatchObject({
      code: 1,
      stderr: `error: tensor ${factors.slice(0, -'.groups'.length)} in ${path}: expected I8 factors (${rows}, ${groups}) in ${factors}\n`,
    });
  });

  it('refuses to quantize twice, and to write over a file without --overwrite', async () => {
    expect(await slim(['quantize', paths.int8, '--out', work.path('twice')])).toMatchObject({
      code: 1,
      stderr: `error: ${paths.int8} is quantized already\n`,
    });
    expect(existsSync(work.path('twice'))).toBe(false);
    expect((await slim(['pack', paths.int8, '--out', work.path('int8.slim')])).code).toBe(2);
    expect((await slim(['pack', paths.int8, '--out', work.path('int8.slim'), '--overwrite'])).code).toBe(0);
  });

  it('tells by slim inspect what the artifact and the run are', async () => {
    const artifact = await readArtifact(readFileSync(work.path('int8.slim')));
    const told = await slimJson(['inspect', work.path('int8.slim')]);
    expect(told).toMatchObject({
      version: 1,
      kind: 'artifact',
      precision: 'int8',
      labels: TINY_LABELS,
      bytes: artifact.fileBytes,
      digest: artifact.manifest.digest,
    });
    expect(told.configuration).toMatchObject({ rank: 4, seed: 3, quantize: { data: paths.data } });
    expect((told.accuracy as { stage: string }[]).map(({ stage }) => stage)).toEqual(['teacher', 'pc-lora', 'int8']);
    expect(await slimJson(['inspect', paths.small])).toEqual({ ...readRecord(paths.small), version: 1 });
    expect((await slim(['inspect', paths.model])).stdout).toContain('vit checkpoint, single-label\n2 labels: a, b');
    expect((await slim(['inspect', paths.small])).stdout).toContain('compress run, finished, 48 of 48 steps');
  });

  it('predicts the same by slim predict and over HTTP', async () => {
    const picture = `${paths.data}/val/light/0.png`;
    const predicted = await slimJson(['predict', work.path('int8.slim'), picture, '--top-k', '2']);
    const predictions = predicted.predictions as { label: string; score: number }[];
    expect(predictions).toHaveLength(2);
    expect(predictions[0].score).toBeGreaterThanOrEqual(predictions[1].score);
    expect(predictions.every(({ label, score }) => TINY_LABELS.includes(label) && score > 0 && score < 1)).toBe(true);
    expect(predicted.latencyMs).toBeGreaterThan(0);

    for (const workers of ['0', '2']) {
      const stop = new AbortController();
      let listening = (_: string): void => undefined;
      const url = new Promise<string>((resolve) => {
        listening = resolve;
      });
      const served = slim(
        ['serve', work.path('int8.slim'), '--port', '0', '--workers', workers, '--log', 'none', '--json'],
        { signal: stop.signal, onStdout: (text) => listening((JSON.parse(text) as { url: string }).url) },
      );
      const base = await url;
      expect(await (await fetch(`${base}/healthz`)).json()).toEqual({ status: 'ok' });
      const ask = async (): Promise<unknown> =>
        (
          await fetch(`${base}/v1/predict?top_k=2`, {
            method: 'POST',
            headers: { 'content-type': 'image/png' },
            body: readFileSync(picture),
          })
        ).json();
      const answer = { predictions, latencyMs: expect.any(Number) };
      expect(await Promise.all([ask(), ask(), ask()])).toEqual([answer, answer, answer]);
      stop.abort();
      expect(await served).toMatchObject({ code: 0, stderr: '' });
      await expect(fetch(`${base}/healthz`)).rejects.toThrow();
    }
  });
});
