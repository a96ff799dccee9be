/** What PC-LoRA is compared with, in whole runs: the same flags, another method. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSafetensors } from '../../runtime/artifact/safetensors.ts';
import { readMetrics, readRecord, slim, slimJson, workFolder, writePictures, writeTinyModel } from '../support/cli.ts';

const work = workFolder();
const command = [
  ...['train', '--model', work.path('model'), '--data', work.path('pictures'), '--threads', '1', '--batch-size', '8'],
  ...['--steps', '10', '--evaluate-every', '10', '--learning-rate', '0.01', '--rank', '4'],
];
const run = (name: string, ...flags: string[]) => slimJson([...command, ...flags, '--out', work.path(name)]);
const lambdas = (name: string): (number | null)[] =>
  readMetrics(work.path(name)).flatMap(({ loss, lambda }) => (loss === undefined ? [] : [lambda]));

beforeAll(async () => {
  await writeTinyModel(work.path('model'));
  await writePictures(work.path('pictures'));
});
afterAll(() => work.remove());

describe('--method', () => {
  it.each([
    ['svd', 'svd', []],
    ['svd', 'activation', ['--init', 'activation']],
    ['scratch', 'random', []],
  ])('%s trains adapters alone, from %s', async (method, init, flags) => {
    await run(`${method}-${init}`, '--method', method, ...flags);
    expect(lambdas(`${method}-${init}`)).toEqual(Array(10).fill(0));
    expect(readRecord(work.path(`${method}-${init}`))).toMatchObject({
      kind: 'compress',
      compression: { method, init },
      accuracy: [{ stage: 'teacher' }, { stage: method }],
    });
  });

  it('svd is PC-LoRA whose λ is 0 from the start', async () => {
    await run('control', '--decay-end', '0');
    const weights = (name: string): Buffer => readFileSync(join(work.path(name), 'weights.safetensors'));
    expect(weights('control').equals(weights('svd-svd'))).toBe(true);
  });

  it('theseus trains what has replaced a block, ever more of them', async () => {
    await run('theseus', '--method', 'theseus', '--decay-end', '0.5', '--schedule', 'linear');
    expect(lambdas('theseus')).toEqual([1, 0.8, 0.6, 0.4, 0.2, 0, 0, 0, 0, 0].map((value) => expect.closeTo(value)));
    expect(readRecord(work.path('theseus'))).toMatchObject({ compression: { method: 'theseus' } });
    // At λ = 1 the student is the teacher: nothing to learn from, whatever the adapters are.
    expect(readMetrics(work.path('theseus'))[0]).toMatchObject({ feature: expect.closeTo(0, 6) });
  });

  it('lora leaves a model of full size, whose logits are those of weights and adapters', async () => {
    const { accuracy } = await run('lora', '--method', 'lora', '--logit-loss', '1');
    expect(lambdas('lora')).toEqual(Array(10).fill(1));
    expect(readRecord(work.path('lora'))).toMatchObject({ kind: 'finetune', compression: null });
    const again = await slimJson(['evaluate', work.path('lora'), '--data', work.path('pictures')]);
    expect(again.accuracy).toBe(accuracy);
    const tensors = (folder: string) =>
      readSafetensors(readFileSync(join(work.path(folder), 'model.safetensors'))).tensors;
    const [before, after] = [tensors('model'), tensors('lora')];
    expect([...after.keys()].sort()).toEqual([...before.keys()].sort());
    const { compression } = readRecord(work.path('svd-svd')) as unknown as { compression: { ranks: object } };
    expect(Object.keys(compression.ranks)).toHaveLength(12);
  });

  it.each([
    [['--method', 'svd', '--decay-end', '0.5'], '--decay-end with --method svd: there is no λ'],
    [['--method', 'lora', '--schedule', 'linear'], '--schedule with --method lora: λ stays 1'],
    [['--method', 'scratch', '--init', 'svd'], '--method scratch with --init svd'],
    [['--recipe', 'paper', '--decay-start', '0.9'], '--decay-start 0.9 is after --decay-end 0.8'],
  ])('%s is refused', async (flags, said) => {
    const { code, stderr } = await slim([...command, ...flags, '--out', work.path('refused')]);
    expect([code, stderr]).toEqual([2, expect.stringContaining(said)]);
  });
});

it('--recipe paper starts as the paper does', async () => {
  await run('paper', '--recipe', 'paper');
  expect(readRecord(work.path('paper'))).toMatchObject({
    compression: { init: 'paper', schedule: 'sine' },
    configuration: { recipe: 'paper', decayEnd: 0.8, alpha: 0.2, logitLoss: 0 },
  });
});

it('--decay-order lets the last blocks fade first', async () => {
  await run('order', '--decay-order', 'last', '--decay-end', '0.8', '--schedule', 'linear');
  expect(readRecord(work.path('order'))).toMatchObject({ configuration: { decayOrder: 'last' } });
});
