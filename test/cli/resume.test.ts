/** Runs that stop in the middle: what they leave, and that --resume ends exactly where an unbroken run does. */
import { appendFileSync, cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  readMetrics,
  readRecord,
  slim,
  slimJson,
  untimed,
  workFolder,
  writePictures,
  writeTinyModel,
} from '../support/cli.ts';

const work = workFolder();
const whole = work.path('whole');
const out = work.path('out');
/** 6 steps an epoch, an evaluation every 4; λ reaches 0 at step 10. */
const flags = [
  '--model',
  work.path('model'),
  '--data',
  work.path('pictures'),
  '--threads',
  '1',
  '--batch-size',
  '8',
  '--steps',
  '20',
  '--evaluate-every',
  '4',
  '--learning-rate',
  '0.01',
  '--augment',
  'flip,shift:2',
];
/** With a loss that is not 0 at the start, as the default one is: losses are compared by their ratio. */
const train = [
  ...['train', ...flags, '--rank', '4', '--decay-end', '0.5', '--select', 'best'],
  ...['--alpha', '0.2', '--logit-loss', '0'],
];
const finetune = ['finetune', ...flags];

beforeAll(async () => {
  await writeTinyModel(work.path('model'));
  await writePictures(work.path('pictures'));
  await slimJson([...train, '--out', whole]);
});
beforeEach(() => rmSync(out, { recursive: true, force: true }));
afterAll(() => work.remove());

/** Runs a command and interrupts it once it has written `text`. */
async function interruptedAt(text: string | RegExp, args: readonly string[]) {
  const interrupt = new AbortController();
  return slim(args, {
    signal: interrupt.signal,
    onStderr: (written) => {
      if (written.search(text) >= 0) interrupt.abort();
    },
  });
}

function weights(run: string, name = 'weights.safetensors'): Buffer {
  return readFileSync(`${run}/${name}`);
}

/** The steps that metrics.jsonl tells of, without its evaluations. */
function loggedSteps(run: string): number[] {
  return readMetrics(run)
    .filter(({ loss }) => loss !== undefined)
    .map(({ step }) => step);
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

describe('an interrupted slim train', () => {
  it('saves where it is, says how to go on, and exits with 130', async () => {
    expect(await interruptedAt('step 4/20', [...train, '--out', out])).toMatchObject({
      code: 130,
      stdout: '',
      stderr: expect.stringMatching(/\ninterrupted at step (4|5) of 20: the same command with --resume goes on\n$/),
    });
    const record = readRecord(out) as { status: string; steps: { done: number } };
    expect(record.status).toBe('interrupted');
    expect(loggedSteps(out)).toEqual(upTo(record.steps.done));
    expect(readdirSync(out).sort()).toEqual([
      'checkpoint.safetensors',
      'events.out.tfevents.slim',
      'metrics.jsonl',
      'run.json',
    ]);
  });

  it.each(['step 1/20', 'step 4/20', 'step 8/20', 'step 12/20', 'step 16/20'])(
    'interrupted at %s, resumes to the weights, log and accuracy of an unbroken run',
    async (at) => {
      expect((await interruptedAt(at, [...train, '--out', out])).code).toBe(130);
      const result = await slimJson([...train, '--resume', '--out', out]);
      expect(weights(out).equals(weights(whole))).toBe(true);
      expect(untimed(readMetrics(out))).toEqual(untimed(readMetrics(whole)));
      expect({ ...readRecord(out), configuration: null }).toEqual({ ...readRecord(whole), configuration: null });
      expect(result).toMatchObject({
        steps: 20,
        accuracy: Math.max(...readMetrics(out).map(({ accuracy = 0 }) => accuracy)),
      });
    },
  );

  it('begins anew where it was stopped before the first checkpoint', async () => {
    expect((await interruptedAt('compressing', [...train, '--out', out])).code).toBe(130);
    expect(readRecord(out)).toMatchObject({ status: 'interrupted', steps: { done: 0, total: 20 } });
    expect(existsSync(`${out}/checkpoint.safetensors`)).toBe(false);
    await slimJson([...train, '--resume', '--out', out]);
    expect(weights(out).equals(weights(whole))).toBe(true);
  });

  it('can be resumed after it was moved, and when it had finished', async () => {
    await interruptedAt('step 4/20', [...train, '--out', work.path('elsewhere')]);
    cpSync(work.path('elsewhere'), out, { recursive: true });
    const first = await slimJson([...train, '--resume', '--out', out]);
    expect(weights(out).equals(weights(whole))).toBe(true);
    // It takes no step, so it waits for no data.
    expect(await slimJson([...train, '--resume', '--out', out])).toEqual({ ...first, dataShare: 0 });
    expect(weights(out).equals(weights(whole))).toBe(true);
    expect(untimed(readMetrics(out))).toEqual(untimed(readMetrics(whole)));
  });
});

it('slim train --accumulate trains in parts to the losses of whole batches, and is resumed', async () => {
  const inParts = [...train, '--accumulate', '4'];
  await slimJson([...inParts, '--out', work.path('parts')]);
  expect((await interruptedAt('step 8/20', [...inParts, '--out', out])).code).toBe(130);
  await slimJson([...inParts, '--resume', '--out', out]);
  expect(weights(out).equals(weights(work.path('parts'))), 'the weights of an unbroken run').toBe(true);
  const [parts, batches] = [out, whole].map((run) => readMetrics(run).filter(({ loss }) => loss !== undefined));
  expect(parts.map(({ step }) => step)).toEqual(batches.map(({ step }) => step));
  // Rounding grows from step to step; the first ones have little of it.
  for (const [i, line] of parts.slice(0, 5).entries())
    expect(Math.abs(line.loss! / batches[i].loss! - 1), `loss of step ${line.step}`).toBeLessThan(1e-4);
  expect(readRecord(out)).toMatchObject({ status: 'finished', configuration: { accumulate: 4 } });
});

it("slim train --optimizer muon is resumed with its momentum, and AdamW's run is another", async () => {
  const muon = [...train, '--optimizer', 'muon'];
  const unbroken = work.path('muon');
  await slimJson([...muon, '--out', unbroken]);
  expect((await interruptedAt('step 8/20', [...muon, '--out', out])).code).toBe(130);
  expect(await slim([...train, '--resume', '--out', out])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--resume: optimizer was "muon" and is not given now'),
  });
  await slimJson([...muon, '--resume', '--out', out]);
  expect(weights(out).equals(weights(unbroken))).toBe(true);
  expect(untimed(readMetrics(out))).toEqual(untimed(readMetrics(unbroken)));
  expect(readRecord(out)).toMatchObject({ status: 'finished', configuration: { optimizer: 'muon' } });
  const [first, second] = [out, whole].map((run) => readMetrics(run).map(({ loss }) => loss));
  expect(first[0]).toBe(second[0]);
  expect(first[5]).not.toBe(second[5]);
});

it('slim train is resumed to where LoRA+, corrected biases and some blocks alone lead', async () => {
  const own = ['--lora-plus-ratio', '4', '--init', 'activation', '--bias-correction', '--feature-blocks', 'last'];
  const command = [...train, ...own];
  const unbroken = work.path('own');
  await slimJson([...command, '--out', unbroken]);
  expect((await interruptedAt('step 8/20', [...command, '--out', out])).code).toBe(130);
  for (const [flag, count, message] of [
    ['--lora-plus-ratio', 2, 'loraPlusRatio was 4 and is not given now'],
    ['--bias-correction', 1, 'biasCorrection was true and is false now'],
    ['--feature-blocks', 2, 'featureBlocks was "last" and is not given now'],
  ] as const) {
    const others = command.toSpliced(command.indexOf(flag), count);
    expect(await slim([...others, '--resume', '--out', out])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`--resume: ${message}`),
    });
  }
  await slimJson([...command, '--resume', '--out', out]);
  expect(weights(out).equals(weights(unbroken))).toBe(true);
  expect(untimed(readMetrics(out))).toEqual(untimed(readMetrics(unbroken)));
  const configuration = { loraPlusRatio: 4, biasCorrection: true, featureBlocks: 'last' };
  expect(readRecord(out)).toMatchObject({ status: 'finished', configuration });
});

it('slim train --lora-plus-ratio 1 is the run without it, and 4 another from the second step on', async () => {
  const [one, four] = ['1', '4'].map((ratio) => work.path(`ratio-${ratio}`));
  await slimJson([...train, '--lora-plus-ratio', '1', '--out', one]);
  await slimJson([...train, '--lora-plus-ratio', '4', '--out', four]);
  expect(weights(one).equals(weights(whole))).toBe(true);
  const [first, second] = [four, whole].map((run) => readMetrics(run).map(({ loss }) => loss));
  expect(first[0]).toBe(second[0]);
  expect(first[1]).not.toBe(second[1]);
});

it.each([
  [['--optimizer', 'sgd'], /argument 'sgd' is invalid. Allowed choices are adamw, muon./],
  [['--optimizer', ''], /Allowed choices are adamw, muon./],
])('slim train refuses %j', async (given, message) => {
  const { code, stderr } = await slim([...train, ...given, '--out', out]);
  expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
});

it('an interrupted slim finetune resumes to the same weights', async () => {
  await slimJson([...finetune, '--out', work.path('whole-teacher')]);
  expect((await interruptedAt('step 8/20', [...finetune, '--out', out])).code).toBe(130);
  await slimJson([...finetune, '--resume', '--out', out]);
  expect(weights(out, 'model.safetensors').equals(weights(work.path('whole-teacher'), 'model.safetensors'))).toBe(true);
});

describe('a killed run', () => {
  /** As kill -9 leaves it after step `done`: the log is ahead of the checkpoint and its last line is torn. */
  async function killedRun(): Promise<void> {
    await interruptedAt('step 8/20', [...train, '--out', out]);
    const record = readRecord(out);
    writeFileSync(`${out}/run.json`, JSON.stringify({ ...record, status: 'running' }));
    appendFileSync(
      `${out}/metrics.jsonl`,
      '{"step":9,"epoch":1,"loss":1}\n{"step":10,"epoch":1,"loss":2}\n{"step":11,"ep',
    );
    writeFileSync(`${out}/checkpoint.safetensors.4321.tmp`, 'half of it');
  }

  it('resumes from its checkpoint: no line of the log is torn or doubled, no temporary file stays', async () => {
    await killedRun();
    await slimJson([...train, '--resume', '--out', out]);
    expect(untimed(readMetrics(out))).toEqual(untimed(readMetrics(whole)));
    expect(weights(out).equals(weights(whole))).toBe(true);
    expect(readdirSync(out).sort()).toEqual(readdirSync(whole).sort());
  });

  it('is not taken for a finished one', async () => {
    await killedRun();
    const unfinished =
      /^error: .*out has no final weights: its run has not finished \(step [89] of 20\)\nhint: Go on with the same command and --resume/;
    for (const args of [
      ['evaluate', out, '--data', work.path('pictures')],
      ['pack', out, '--out', work.path('x.slim')],
      ['quantize', out, '--out', work.path('x')],
    ]) {
      const { code, stderr } = await slim(args);
      expect([code, stderr]).toEqual([1, expect.stringMatching(unfinished)]);
    }
    expect((await slim(['inspect', out])).stdout).toMatch(/compress run, running, [89] of 20 steps/);
    await interruptedAt('step 4/20', [...finetune, '--out', work.path('half-teacher')]);
    expect(
      await slim(['train', ...flags, '--model', work.path('half-teacher'), '--out', work.path('x')]),
    ).toMatchObject({ code: 1, stderr: expect.stringContaining('its run was interrupted (step') });
  });
});

describe('--resume', () => {
  beforeEach(async () => {
    await interruptedAt('step 4/20', [...train, '--out', out]);
  });

  it.each([
    [['--rank', '6'], 'rank was 4 and is 6 now'],
    [['--learning-rate', '0.02'], 'learningRate was 0.01 and is 0.02 now'],
    [['--alpha', '0.3'], 'alpha was 0.2 and is 0.3 now'],
    [['--warmup-steps', '3'], 'warmupSteps was not given and is 3 now'],
    [['--seed', '1'], 'seed was 0 and is 1 now'],
  ])('refuses other flags: %j', async (changed, message) => {
    const before = readFileSync(`${out}/run.json`, 'utf8');
    expect(await slim([...train, ...changed, '--resume', '--out', out])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(
        `(^|\n)error: --resume: ${message}\nhint: Resume with the flags that the run began with.\n$`,
      ),
    });
    expect(readFileSync(`${out}/run.json`, 'utf8')).toBe(before);
  });

  it('refuses another teacher in the place of the one that the run began with', async () => {
    const model = work.path('model');
    const kept = readFileSync(`${model}/model.safetensors`);
    const changed = Buffer.from(kept);
    changed.writeFloatLE(0.125, changed.length - 4);
    writeFileSync(`${model}/model.safetensors`, changed);
    try {
      expect(await slim([...train, '--resume', '--out', out])).toMatchObject({
        code: 2,
        stderr: expect.stringContaining(`error: --resume: the weights of ${model} have changed since ${out} began`),
      });
    } finally {
      writeFileSync(`${model}/model.safetensors`, kept);
    }
  });

  it('refuses the run of another command', async () => {
    expect(await slim([...finetune, '--resume', '--out', out])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('is a compress run, not a finetune run'),
    });
  });

  it('refuses a damaged checkpoint', async () => {
    const path = `${out}/checkpoint.safetensors`;
    writeFileSync(path, readFileSync(path).subarray(0, 3000));
    expect(await slim([...train, '--resume', '--out', out])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`error: ${path} is damaged`),
    });
  });
});

describe('divergence', () => {
  // A weight decay of 1 at a learning rate of 10 multiplies every weight by -9 a step: past float32 within forty.
  const diverging = [
    'finetune',
    ...flags,
    '--learning-rate',
    '10',
    '--weight-decay',
    '1',
    '--clip-norm',
    '0',
    '--warmup-steps',
    '0',
    '--steps',
    '200',
    '--out',
    out,
  ];

  it('stops at the step, keeps the last good checkpoint, and records that the run failed', async () => {
    const { code, stdout, stderr } = await slim(diverging);
    expect([code, stdout]).toEqual([1, '']);
    const [, what, step] = /^error: training diverged: (\w+) .* step (\d+)$/m.exec(stderr) ?? [];
    expect(['loss', 'gradientNorm']).toContain(what);
    const { status, steps } = readRecord(out) as { status: string; steps: { done: number; total: number } };
    expect(status).toBe('failed');
    expect(steps.total).toBe(200);
    expect(steps.done % 4).toBe(0);
    expect(Number(step) - steps.done).toBeGreaterThanOrEqual(0);
    expect(Number(step) - steps.done).toBeLessThan(8);
    expect(stderr).toContain(
      `hint: The last good checkpoint is kept in ${out}/checkpoint.safetensors. Try a lower --learning-rate`,
    );
    expect(existsSync(`${out}/model.safetensors`)).toBe(false);
    const kept = new Float32Array(readFileSync(`${out}/checkpoint.safetensors`).buffer.slice(-4 * 1000));
    expect(kept.every(Number.isFinite)).toBe(true);
    expect(loggedSteps(out)).toEqual(upTo(loggedSteps(out).length));
    expect(loggedSteps(out).length).toBeGreaterThanOrEqual(steps.done);
  });
});
