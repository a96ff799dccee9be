/** TensorBoard reads from a run what its metrics.jsonl says, also after it was interrupted and went on. */
import { execFileSync } from 'node:child_process';
import { appendFileSync, readFileSync, rmSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { bytesBefore, eventOf } from '../../cli/train/event-file.ts';
import { skipNote } from '../contract/hosts/installed.ts';
import {
  type MetricsLine,
  readMetrics,
  slim,
  slimJson,
  workFolder,
  writePictures,
  writeTinyModel,
} from '../support/cli.ts';
import { python, withoutPython } from '../support/python.ts';

const work = workFolder();
const out = work.path('out');
const absent = withoutPython('tensorboard');
const EVENTS = 'events.out.tfevents.slim';
const train = [
  ...['train', '--model', work.path('model'), '--data', work.path('pictures'), '--threads', '1', '--batch-size', '8'],
  ...['--rank', '4', '--steps', '20', '--evaluate-every', '4', '--learning-rate', '0.01', '--out', out],
];

beforeAll(async () => {
  await writeTinyModel(work.path('model'));
  await writePictures(work.path('pictures'));
  const interrupt = new AbortController();
  const onStderr = (text: string): void => {
    if (text.includes('step 8/20')) interrupt.abort();
  };
  expect((await slim(train, { signal: interrupt.signal, onStderr })).code).toBe(130);
  // As a process leaves it that is killed later on: steps after the checkpoint, the last one cut short.
  const later = [18, 19].map((step) => eventOf({ step, loss: 7 }, 0));
  appendFileSync(`${out}/${EVENTS}`, Buffer.concat([later[0], later[1].subarray(0, 20)]));
  await slimJson([...train, '--resume']);
});
afterAll(() => work.remove());

/** What metrics.jsonl has, by TensorBoard's tags: steps and values as 32-bit floats. */
function expected(): Record<string, [step: number, value: number][]> {
  const tags: Record<string, [number, number][]> = {};
  for (const { step, ...line } of readMetrics(out)) {
    const isStep = line.loss !== undefined;
    const names: readonly (keyof typeof line)[] = isStep
      ? ['epoch', 'lambda', 'learningRate', 'loss', 'task', 'feature', 'logit', 'gradientNorm', 'msPerStep', 'dataMs']
      : ['accuracy'];
    for (const name of names) {
      const value = line[name as keyof Omit<MetricsLine, 'step'>];
      if (value === undefined || value === null) continue;
      (tags[`${isStep ? 'train' : 'evaluation'}/${name}`] ??= []).push([step, Math.fround(value)]);
    }
  }
  return tags;
}

it.skipIf(absent !== null)(
  `steps and values of all tags${skipNote(absent)}`,
  () => {
    const program = `
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1], size_guidance={'scalars': 0})
events.Reload()
print(json.dumps({tag: [[e.step, e.value] for e in events.Scalars(tag)] for tag in events.Tags()['scalars']}))
`;
    const read = JSON.parse(execFileSync(python!, ['-c', program, out], { encoding: 'utf8' })) as typeof expected;
    expect(read).toEqual(expected());
    expect(Object.keys(read).length).toBeGreaterThan(8);
  },
  120_000,
);

it('the file holds each step once, whole to its end', () => {
  const file = readFileSync(`${out}/${EVENTS}`);
  const ends = Array.from({ length: 21 }, (_, step) => bytesBefore(file, step));
  expect(new Set(ends).size).toBe(21);
  expect(ends[20]).toBe(file.length);
});

it('--overwrite begins it anew, and a run without it is resumed', async () => {
  await slimJson([...train, '--overwrite']);
  const file = readFileSync(`${out}/${EVENTS}`);
  expect(bytesBefore(file, 20)).toBe(file.length);
  rmSync(`${out}/${EVENTS}`);
  expect(await slimJson([...train, '--resume'])).toMatchObject({ steps: 20 });
});
