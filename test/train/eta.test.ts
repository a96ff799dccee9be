/** The time that is left, against simulated trainings whose durations are known. */
import { describe, expect, it } from 'vitest';
import { createEta } from '../../cli/train/eta.ts';
import { random } from '../../runtime/random.ts';

/** A training as it would pass: what its steps, programs and evaluations take, in milliseconds. */
interface Simulated {
  readonly totalSteps: number;
  readonly firstStep?: number;
  readonly evaluateEvery: number;
  /** Steps with λ > 0. */
  readonly fadingSteps: number;
  readonly stepMs: (kind: string, tokens: number | null) => number;
  /** What graphs say of it before: the step's work where λ > 0 and where it is 0, and an evaluation's. */
  readonly work: { readonly fading: number; readonly alone: number; readonly evaluation: number };
  readonly evaluationMs: number;
  readonly compileMs: number;
  readonly evaluationCompileMs?: number;
  readonly waitMs?: number;
  readonly lengths?: readonly number[];
  /** What the first step of a program takes more. */
  readonly warmUpMs?: number;
}

/** Lets it pass and keeps what was told after each step, beside what was truly left then. */
function simulate(run: Simulated): { readonly done: number; readonly told: number | null; readonly left: number }[] {
  const { totalSteps, firstStep = 0, evaluateEvery, work, lengths } = run;
  const source = random(3);
  const kindAt = (step: number): string => (step < run.fadingSteps ? 'fading' : 'alone');
  const eta = createEta({
    totalSteps,
    firstStep,
    evaluateEvery,
    kindAt,
    stepWork: (step) => work[kindAt(step) as 'fading' | 'alone'],
    evaluationWork: () => work.evaluation,
  });
  const compiled = new Set<string>();
  const moments: { done: number; told: number | null; at: number }[] = [];
  let now = 0;
  let evaluations = 0;
  for (let step = firstStep; step < totalSteps; step++) {
    const tokens = lengths ? lengths[source.below(lengths.length)] : null;
    const program = `${kindAt(step)} ${tokens}`;
    const isNew = !compiled.has(program);
    compiled.add(program);
    const compiledMs = isNew ? run.compileMs : 0;
    // A step is a tenth longer or shorter than another.
    const busy = run.stepMs(kindAt(step), tokens) * (0.9 + 0.2 * source.uniform()) + (isNew ? (run.warmUpMs ?? 0) : 0);
    const waitedMs = Math.max(0, (run.waitMs ?? 0) - busy);
    now += compiledMs + waitedMs + busy;
    eta.step({ step, tokens, ms: waitedMs + busy, waitedMs, compiledMs });
    const done = step + 1;
    moments.push({ done, told: eta.leftMs(done), at: now });
    if (done % evaluateEvery === 0 || done === totalSteps) {
      const onceMs = evaluations++ === 0 ? (run.evaluationCompileMs ?? 0) : 0;
      now += run.evaluationMs + onceMs;
      eta.evaluated(run.evaluationMs + onceMs, onceMs);
    }
  }
  return moments.map(({ at, ...moment }) => ({ ...moment, left: now - at }));
}

const PICTURES: Simulated = {
  totalSteps: 1000,
  evaluateEvery: 100,
  fadingSteps: 300,
  stepMs: (kind) => (kind === 'fading' ? 200 : 90),
  work: { fading: 4.1, alone: 1.9, evaluation: 50 },
  evaluationMs: 3000,
  compileMs: 400,
};
const LENGTHS = [16, 24, 32, 48, 64];

/** Every moment from a tenth of the run to the last twentieth, within 20 %; in the end a second more or less is not told. */
it.each<[string, Simulated]>([
  ['steps that become faster once λ is 0, with evaluations in between', PICTURES],
  ['that of a work which is told 20 % too small', { ...PICTURES, work: { ...PICTURES.work, alone: 1.5 } }],
  ['that of a work which is told 20 % too large', { ...PICTURES, work: { ...PICTURES.work, alone: 2.3 } }],
  [
    'evaluations that take as long as the steps',
    { ...PICTURES, evaluationMs: 10_000, work: { ...PICTURES.work, evaluation: 200 } },
  ],
  ['an evaluation after the last step alone', { ...PICTURES, evaluateEvery: 1000 }],
  ['a last evaluation out of turn', { ...PICTURES, evaluateEvery: 300 }],
  ['no step with λ > 0', { ...PICTURES, fadingSteps: 0 }],
  ['steps of one kind alone', { ...PICTURES, fadingSteps: 1000 }],
  [
    'programs that take long to compile',
    { ...PICTURES, totalSteps: 300, fadingSteps: 90, evaluateEvery: 50, compileMs: 20_000 },
  ],
  ['first steps that take long', { ...PICTURES, totalSteps: 100, fadingSteps: 30, evaluateEvery: 20, warmUpMs: 5000 }],
  ['a first evaluation that compiles', { ...PICTURES, evaluateEvery: 50, evaluationCompileMs: 8000 }],
  ['steps that all wait for data', { ...PICTURES, waitMs: 400 }],
  [
    'texts of several lengths',
    { ...PICTURES, lengths: LENGTHS, stepMs: (kind, tokens) => (kind === 'fading' ? 6 : 2.8) * tokens! },
  ],
  [
    'texts of several lengths, each with a program that takes long',
    {
      ...PICTURES,
      lengths: LENGTHS,
      compileMs: 8000,
      stepMs: (kind, tokens) => (kind === 'fading' ? 6 : 2.8) * tokens!,
    },
  ],
  ['a run that goes on while λ > 0', { ...PICTURES, firstStep: 150 }],
  ['a run that goes on where λ is 0', { ...PICTURES, firstStep: 700, warmUpMs: 3000 }],
])('is right within 20 % after a tenth: %s', (_, run) => {
  const begin = run.firstStep ?? 0;
  const told = simulate(run).filter(
    ({ done }) => done - begin >= 0.1 * (run.totalSteps - begin) && done <= 0.95 * run.totalSteps,
  );
  expect(told.length).toBeGreaterThan(50);
  for (const { done, told: ms, left } of told) {
    expect(ms! / left, `after step ${done}`).toBeGreaterThan(0.8);
    expect(ms! / left, `after step ${done}`).toBeLessThan(1.2);
  }
});

describe('the time that is left', () => {
  it('is not known before a step was timed', () => {
    const eta = createEta({
      totalSteps: 10,
      firstStep: 0,
      evaluateEvery: 5,
      kindAt: () => 'dense',
      stepWork: () => 1,
      evaluationWork: () => 1,
    });
    expect(eta.leftMs(0)).toBe(null);
  });

  it('is exact where nothing varies, and nothing at the end', () => {
    const eta = createEta({
      totalSteps: 10,
      firstStep: 0,
      evaluateEvery: 4,
      kindAt: (step) => (step < 5 ? 'fading' : 'alone'),
      stepWork: (step) => (step < 5 ? 2 : 1),
      evaluationWork: () => 3,
    });
    for (const step of [0, 1]) eta.step({ step, tokens: null, ms: 100, waitedMs: 0, compiledMs: step === 0 ? 30 : 0 });
    // 3 of 100, 5 of 50, the program of these, and evaluations at 4, 8 and 10 of 150.
    expect(eta.leftMs(2)).toBe(300 + 250 + 30 + 450);
    expect(eta.leftMs(10)).toBe(0);
  });

  it('follows a machine that has become slower', () => {
    const eta = createEta({
      totalSteps: 300,
      firstStep: 0,
      evaluateEvery: 300,
      kindAt: () => 'dense',
      stepWork: () => 1,
      evaluationWork: () => 0,
    });
    for (let step = 0; step < 200; step++)
      eta.step({ step, tokens: null, ms: step < 100 ? 100 : 200, waitedMs: 0, compiledMs: 0 });
    expect(eta.leftMs(200)).toBe(100 * 200);
  });
});
