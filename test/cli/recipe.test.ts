/** What `slim train` has beyond the paper, in whole runs: how λ falls, where adapters start, what the loss is made of. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readSafetensors } from '../../runtime/artifact/safetensors.ts';
import {
  type MetricsLine,
  readMetrics,
  readRecord,
  slim,
  slimJson,
  workFolder,
  writePictures,
  writeTinyModel,
} from '../support/cli.ts';
import { expectClose } from '../support/compare.ts';

const work = workFolder();
const flags = [
  ...['--model', work.path('model'), '--data', work.path('pictures'), '--threads', '1', '--batch-size', '8'],
  ...['--steps', '10', '--evaluate-every', '10', '--learning-rate', '0.01', '--warmup-steps', '2', '--rank', '4'],
];

beforeAll(async () => {
  await writeTinyModel(work.path('model'));
  await writePictures(work.path('pictures'));
});
afterAll(() => work.remove());

it('starts from activations, lets λ fall late, adds the logits and stops the learning rate at its floor', async () => {
  const out = work.path('run');
  const recipe = [
    ...['--init', 'activation', '--schedule', 'linear', '--decay-start', '0.2', '--decay-end', '0.6'],
    ...['--alpha', '0.2', '--logit-loss', '0.5', '--temperature', '2', '--learning-rate-floor', '0.25'],
  ];
  await slimJson(['train', ...flags, ...recipe, '--out', out]);
  const steps = readMetrics(out).filter(({ loss }) => loss !== undefined);
  const at = (name: keyof MetricsLine): number[] => steps.map((step) => step[name] as number);
  expect(at('lambda')).toEqual([1, 1, 1, 0.75, 0.5, 0.25, 0, 0, 0, 0]);
  const [task, feature, logit] = [at('task'), at('feature'), at('logit')];
  for (const [i, loss] of at('loss').entries())
    expect(loss, `step ${i}`).toBeCloseTo(0.2 * task[i] + 0.8 * feature[i] + 0.5 * logit[i], 5);
  // At λ = 1 the student is the teacher, which has no loss against itself.
  expect(steps[0]).toMatchObject({ feature: expect.closeTo(0, 5), logit: expect.closeTo(0, 5) });
  expect(
    at('logit')
      .slice(4)
      .every((value) => value > 1e-6),
  ).toBe(true);
  const last = 0.01 * (0.25 + (0.75 * (1 + Math.cos((Math.PI * 7) / 8))) / 2);
  expect(at('learningRate').at(-1)).toBeCloseTo(last, 10);
  expect(readRecord(out)).toMatchObject({ compression: { init: 'activation', schedule: 'linear' } });
});

it('warms the learning rate up again once λ is 0, in straight lines, and compares how tokens relate', async () => {
  const out = work.path('rewarmed');
  const recipe = [
    '--decay-end',
    '0.4',
    '--rewarm',
    '0.5',
    '--learning-rate-schedule',
    'linear',
    '--relation-loss',
    '2',
    ...['--alpha', '0.2', '--logit-loss', '0'],
  ];
  await slimJson(['train', ...flags, ...recipe, '--out', out]);
  const steps = readMetrics(out).filter(({ loss }) => loss !== undefined);
  // λ is 0 from step 4 on; 2 steps of warm-up both times.
  const rates = [0.005, 0.01, 0.01, 0.005, 0.0025, 0.005, 0.005, 0.00375, 0.0025, 0.00125];
  steps.forEach(({ learningRate }, i) => expect(learningRate, `step ${i}`).toBeCloseTo(rates[i], 10));
  for (const { loss, task = 0, feature = 0, relation = 0 } of steps)
    expect(loss).toBeCloseTo(0.2 * task + 0.8 * feature + 2 * relation, 5);
  expect(steps[0].relation).toBeCloseTo(0, 5);
  expect(steps.at(-1)!.relation).toBeGreaterThan(1e-6);
});

it('compares the blocks that --feature-blocks names, all of them unless given', async () => {
  // At λ = 0 from the start; the first step tells of the same student.
  const featureOf = async (name: string, ...given: string[]): Promise<number> => {
    const out = work.path(`blocks-${name}`);
    await slimJson(['train', ...flags, '--decay-end', '0', '--steps', '2', ...given, '--out', out]);
    return readMetrics(out)[0].feature!;
  };
  const of = (list: string) => featureOf(list, '--feature-blocks', list);
  const [whole, first, second] = [await featureOf('default'), await of('0'), await of('1')];
  expect(whole).toBeCloseTo((first + second) / 2, 5);
  expect(first / second).not.toBeCloseTo(1, 1);
  expect(await of('last')).toBe(second);
  for (const list of ['all', '1,0']) expect(await of(list)).toBe(whole);
  const weights = (name: string): Buffer => readFileSync(join(work.path(`blocks-${name}`), 'weights.safetensors'));
  expect(weights('1,0').equals(weights('default'))).toBe(true);
  expect(weights('last').equals(weights('1'))).toBe(true);
  expect(weights('last').equals(weights('default'))).toBe(false);
  expect(readRecord(work.path('blocks-1,0'))).toMatchObject({ configuration: { featureBlocks: '1,0' } });
});

it.each([
  [
    ['--feature-blocks', '2'],
    '--feature-blocks 2: "2" is not a block\nhint: Expected all, last, or numbers from 0 to 1',
  ],
  [['--feature-blocks', ''], '"" is not a block'],
  [['--feature-blocks', '1,1'], 'names block 1 twice'],
  [['--feature-blocks', 'last', '--alpha', '1'], '--feature-blocks with --alpha 1: there is no feature loss'],
  [
    ['--feature-blocks', '0', '--rank-allocation', 'gradient'],
    '--rank-allocation gradient with --feature-blocks 0: nothing tells what errors in later blocks cost',
  ],
  [['--bias-correction'], '--bias-correction with --init svd, which is the default here: no mean is known'],
  [['--bias-correction', '--init', 'paper'], '--bias-correction with --init paper: no mean is known\nhint: Start from'],
  [['--bias-correction', '--method', 'lora'], 'hint: It is for --init activation, which --method lora does not have.'],
  [['--lora-plus-ratio', '0'], 'Expected a number of at least 0.000001 and at most 1000000.'],
  [['--lora-plus-ratio', '-2'], 'Expected a number of at least 0.000001 and at most 1000000.'],
  [['--lora-plus-ratio', 'x'], 'Expected a number of at least 0.000001 and at most 1000000.'],
])('refuses %j', async (given, said) => {
  const { code, stderr } = await slim(['train', ...flags, ...given, '--out', work.path('refused')]);
  expect([code, stderr]).toEqual([2, expect.stringContaining(said)]);
});

it.each([
  ['uniform', []],
  ['energy', ['--rank-allocation', 'energy', '--fuse-qkv']],
])('corrects biases by the means of what layers see, ranks being %s, and leaves A and B', async (name, given) => {
  const [plain, corrected] = [work.path(`${name}-plain`), work.path(`${name}-corrected`)];
  // A learning rate that leaves the start as it is.
  const command = ['train', ...flags, '--method', 'svd', '--init', 'activation', '--steps', '1', ...given];
  const still = ['--learning-rate', '1e-12', '--warmup-steps', '0'];
  await slimJson([...command, ...still, '--out', plain]);
  await slimJson([...command, ...still, '--bias-correction', '--out', corrected]);
  const [before, after] = [plain, corrected].map(
    (run) => readSafetensors(readFileSync(join(run, 'weights.safetensors'))).tensors,
  );
  const factors = [...before].filter(([tensor]) => /\.lora[AB]$/.test(tensor));
  const biases = [...before].filter(([tensor]) => tensor.endsWith('.loraC'));
  expect([factors.length > 12, biases.length]).toEqual([true, 12]);
  for (const [tensor, { data }] of factors) {
    const [one, other] = [data, after.get(tensor)!.data].map(
      (bytes) => new Float32Array(Uint8Array.from(bytes).buffer),
    );
    expectClose(other, one, 1e-5, tensor);
  }
  for (const [tensor, { data }] of biases)
    expect(Buffer.from(after.get(tensor)!.data).equals(data), tensor).toBe(false);
  expect(readRecord(corrected)).toMatchObject({ configuration: { biasCorrection: true } });
});

it('takes the ranks that a target leaves room for', async () => {
  const out = work.path('small');
  const without = flags.slice(0, flags.indexOf('--rank'));
  await slimJson(['train', ...without, '--target-parameters', '40%', '--init', 'svd', '--out', out]);
  const { costs, compression } = readRecord(out) as unknown as {
    costs: Record<'teacher' | 'model', { blocks: { parameters: number } }>;
    compression: { rank: number; ranks: Record<string, number>; scaling: number };
  };
  const left = costs.model.blocks.parameters / costs.teacher.blocks.parameters;
  expect(left).toBeLessThanOrEqual(0.4);
  expect(left).toBeGreaterThan(0.38);
  expect(compression.scaling).toBe(1);
  expect(compression.rank).toBe(Math.max(...Object.values(compression.ranks)));
  for (const [extra, why] of [
    [['--rank', '4'], "option '--target-parameters <share>' cannot be used with option '--rank <r>'"],
    [['--target-macs', '0.3'], "cannot be used with option '--target-macs <share>'"],
  ] as const)
    expect((await slim(['train', ...without, '--target-parameters', '5%', ...extra, '--out', 'x'])).stderr).toContain(
      why,
    );
  expect((await slim(['train', ...without, '--target-macs', '50', '--out', 'x'])).stderr).toContain('such as 5%');
});

it('spreads the parameters of a rank by energy, and goes on with the ranks that it began with', async () => {
  const energy = [...flags, '--evaluate-every', '5', '--rank-allocation', 'energy', '--init', 'activation'];
  const [whole, broken] = [work.path('energy'), work.path('broken')];
  await slimJson(['train', ...energy, '--out', whole]);
  const recordOf = (run: string) =>
    readRecord(run) as unknown as {
      compression: { ranks: Record<string, number>; scaling: number };
      costs: { model: { blocks: { parameters: number } } };
    };
  const { compression, costs } = recordOf(whole);
  const ranks = Object.values(compression.ranks);
  expect(Math.max(...ranks)).toBeGreaterThan(Math.min(...ranks));
  expect(compression.scaling).toBe(1);
  // Blocks of the tiny model at rank 4: A and B, C, and the norms.
  const even = 2 * (4 * (4 * 32 + 2 * 48) + (4 * 16 + 32 + 16) + 2 * 32);
  expect(costs.model.blocks.parameters).toBeLessThanOrEqual(even);
  expect(costs.model.blocks.parameters).toBeGreaterThan(0.98 * even);

  const interrupt = new AbortController();
  const { code } = await slim(['train', ...energy, '--out', broken], {
    signal: interrupt.signal,
    onStderr: (text) => text.includes('step 5/10') && interrupt.abort(),
  });
  expect([code, recordOf(broken).compression]).toEqual([130, compression]);
  const { stderr } = await slim(['train', ...energy, '--out', broken, '--resume']);
  expect(stderr).not.toContain('layers measured');
  expect(readFileSync(join(broken, 'weights.safetensors'))).toEqual(readFileSync(join(whole, 'weights.safetensors')));

  // Layers that are named keep their rank, and the others share what they leave.
  const named = work.path('named');
  await slimJson(['train', ...energy, '--layer-rank', 'up=6', '--out', named]);
  const { compression: withNamed } = recordOf(named);
  expect(Object.entries(withNamed.ranks).filter(([name]) => name.endsWith('up'))).toEqual([
    ['block.0.up', 6],
    ['block.1.up', 6],
  ]);
});

it('spreads the parameters of a target by what errors cost', async () => {
  const out = work.path('gradient');
  const without = flags.slice(0, flags.indexOf('--rank'));
  const { stderr } = await slim([
    ...['train', ...without, '--target-parameters', '40%', '--rank-allocation', 'gradient', '--accumulate', '2'],
    ...['--out', out],
  ]);
  const { costs, compression } = readRecord(out) as unknown as {
    costs: Record<'teacher' | 'model', { blocks: { parameters: number } }>;
    compression: { ranks: Record<string, number> };
  };
  const left = costs.model.blocks.parameters / costs.teacher.blocks.parameters;
  expect(left).toBeLessThanOrEqual(0.4);
  expect(left).toBeGreaterThan(0.38);
  const ranks = Object.values(compression.ranks);
  const [least, most] = [Math.min(...ranks), Math.max(...ranks)];
  expect(most).toBeGreaterThan(least);
  expect(stderr).toContain(`at ranks ${least} to ${most} on`);
});

it('refuses a fall of λ that ends before it begins', async () => {
  const { code, stderr } = await slim(['train', ...flags, '--decay-start', '0.5', '--decay-end', '0.4', '--out', 'x']);
  expect([code, stderr]).toEqual([2, expect.stringContaining('--decay-start 0.5 is after --decay-end 0.4')]);
});

it('trains through int8 at the end', async () => {
  const recipe = ['train', ...flags, '--decay-end', '0.4', '--qat', '0.3', '--init', 'svd'];
  const [plain, out] = [work.path('plain'), work.path('qat')];
  await slimJson([...recipe.filter((word) => word !== '--qat' && word !== '0.3'), '--out', plain]);
  await slimJson([...recipe, '--out', out]);
  const losses = (run: string): number[] =>
    readMetrics(run).flatMap(({ loss }) => (loss === undefined ? [] : [loss as number]));
  const [before, after] = [losses(plain), losses(out)];
  expect(after.slice(0, 7)).toEqual(before.slice(0, 7));
  // The same weights, seen through another arithmetic.
  expect(after[7]).not.toBe(before[7]);
  expect(after[7]).toBeCloseTo(before[7], 1);
  expect(readRecord(out)).toMatchObject({ configuration: { qat: 0.3 } });
});

it('trains through int4 at the end', async () => {
  const recipe = ['train', ...flags, '--decay-end', '0', '--qat', '0.5', '--init', 'svd'];
  const seen: unknown[] = [];
  for (const weights of ['int8', 'int4']) {
    const out = work.path(weights);
    await slimJson([...recipe, '--qat-weights', weights, '--out', out]);
    seen.push(readMetrics(out).find(({ step }) => step === 5)!.loss);
  }
  expect(seen[0]).not.toBe(seen[1]);
  const { code, stderr } = await slim(['train', ...flags, '--qat-weights', 'int4', '--out', 'x']);
  expect([code, stderr]).toEqual([2, expect.stringContaining('--qat-weights int4 without --qat')]);
});

it('refuses rounding that begins while λ falls', async () => {
  const { code, stderr } = await slim(['train', ...flags, '--decay-end', '0.8', '--qat', '0.3', '--out', 'x']);
  expect([code, stderr]).toEqual([2, expect.stringContaining('--qat 0.3 begins before --decay-end 0.8')]);
});

it.each([
  [['--method', 'lora', '--target-macs', '10%'], '--target-macs with --method lora, which leaves a model of full size'],
  [['--method', 'lora', '--target-size', '9kB'], '--target-size with --method lora, which leaves a model of full size'],
  [
    ['--alpha', '1', '--logit-loss', '0', '--mixtures', '2'],
    '--mixtures with --alpha 1: nothing compares with the teacher',
  ],
  [
    ['--temperature', '1e300'],
    "option '--temperature <x>' argument '1e300' is invalid. Expected a number of at least 0.01 and at most 1000.",
  ],
])('refuses what would train to nothing, or to something else: %j', async (given, message) => {
  const rankless = flags.slice(0, -2);
  const outcome = await slim(['train', ...rankless, ...given, '--out', work.path('refused')]);
  expect(outcome).toMatchObject({ code: 2, stderr: expect.stringContaining(`error: ${message}`) });
});
