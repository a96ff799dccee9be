/** slim train on xla: beside onnx, stopped and resumed, and what a run records. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { skipNote } from '../contract/hosts/installed.ts';
import {
  expectSameLosses,
  readMetrics,
  readRecord,
  slim,
  slimJson,
  untimed,
  workFolder,
  writeTinyModel,
} from '../support/cli.ts';
import { withoutXla } from '../support/xla.ts';

const work = workFolder();
process.env.SLIM_CACHE = work.path('cache');
afterAll(() => work.remove());

/** 30 steps on glyphs; λ reaches 0 at step 15. */
const train = [
  'train',
  ...['--model', work.path('model'), '--data', 'glyphs', '--rank', '4', '--steps', '30', '--decay-end', '0.5'],
  ...['--batch-size', '32', '--evaluate-every', '10', '--learning-rate', '0.005', '--threads', '1'],
  // The default loss is 0 at the start, where losses are compared by their ratio.
  ...['--alpha', '0.2', '--logit-loss', '0'],
];
const onXla = [...train, '--engine', 'xla'];

describe.skipIf(withoutXla !== null)(`slim train --engine xla${skipNote(withoutXla)}`, { timeout: 240_000 }, () => {
  beforeAll(async () => {
    await writeTinyModel(
      work.path('model'),
      Array.from({ length: 10 }, (_, digit) => String(digit)),
    );
    await slimJson([...train, '--out', work.path('onnx')]);
    await slimJson([...onXla, '--out', work.path('xla')]);
  }, 240_000);

  it('takes 30 steps with the losses of onnx', () => {
    expectSameLosses(work.path('xla'), work.path('onnx'), 30, 1e-4);
  });

  it('records engine and precision, resolved', () => {
    const recorded = (run: string) => {
      const { engine, precision, device } = readRecord(work.path(run)).configuration as Record<string, unknown>;
      return { engine, precision, device };
    };
    expect(recorded('xla')).toEqual({ engine: 'xla', precision: 'f32', device: 'auto' });
    expect(recorded('onnx')).toEqual({ engine: 'onnx', precision: 'f32', device: 'auto' });
  });

  it.each(['step 10/30', 'step 20/30'])('interrupted at %s, resumes to the weights of an unbroken run', async (at) => {
    const out = work.path(at.replace('/', ' of '));
    const interrupt = new AbortController();
    const { code } = await slim([...onXla, '--out', out], {
      signal: interrupt.signal,
      onStderr: (written) => written.includes(at) && interrupt.abort(),
    });
    expect(code).toBe(130);
    await slimJson([...onXla, '--resume', '--out', out]);
    const weights = (run: string): Buffer => readFileSync(`${run}/weights.safetensors`);
    expect(weights(out).equals(weights(work.path('xla')))).toBe(true);
    expect(untimed(readMetrics(out))).toEqual(untimed(readMetrics(work.path('xla'))));
  });

  it('trains on several devices to the losses of one', async () => {
    const out = work.path('devices');
    await slimJson([...onXla, '--devices', '4', '--out', out]);
    expectSameLosses(out, work.path('xla'), 30, 1e-5);
    const accuracies = (run: string) => readMetrics(run).map(({ accuracy }) => accuracy);
    expect(accuracies(out)).toEqual(accuracies(work.path('xla')));
    expect((readRecord(out).configuration as Record<string, unknown>).devices).toBe(4);
  });

  it('evaluates on three devices, which do not divide 64, to the accuracy of one', async () => {
    const evaluate = ['evaluate', work.path('xla'), '--data', 'glyphs', '--engine', 'xla'];
    const [one, three] = [await slimJson(evaluate), await slimJson([...evaluate, '--devices', '3'])];
    expect(three.accuracy).toBe(one.accuracy);
    expect(three.samples).toBe(one.samples);
  });

  it('is not resumed with other products', async () => {
    expect(await slim([...onXla, '--precision', 'bf16', '--resume', '--out', work.path('xla')])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--resume: precision was "f32" and is "bf16" now'),
    });
  });

  it('trains with products of bf16, to losses within a hundredth', async () => {
    const out = work.path('bf16');
    await slimJson([...onXla, '--precision', 'bf16', '--out', out]);
    const last = (run: string): number => readMetrics(run).filter(({ loss }) => loss !== undefined)[29].loss!;
    expect(Math.abs(last(out) / last(work.path('xla')) - 1)).toBeLessThan(0.01);
    expect(last(out)).not.toBe(last(work.path('xla')));
  });
});
