/** Metrics against what scikit-learn and scipy make of the same answers. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createMetering, type Metrics } from '../../../cli/train/metrics/metrics.ts';
import { worstAnswers } from '../../../cli/train/metrics/worst.ts';
import { createScorer } from '../../../cli/train/scorer.ts';
import { type ProblemType, scoreOf } from '../../../runtime/artifact/problem-type.ts';

interface Case extends Readonly<Record<string, unknown>> {
  readonly logits: readonly (readonly number[])[];
  readonly targets: readonly (number | readonly number[])[];
}

const cases = JSON.parse(readFileSync(new URL('fixtures/metrics.json', import.meta.url), 'utf8')) as Readonly<
  Record<ProblemType, readonly Case[]>
>;

const targetOf = (target: number | readonly number[]) =>
  typeof target === 'number' ? target : Float32Array.from(target);

function metricsOf(problemType: ProblemType, { logits, targets }: Pick<Case, 'logits' | 'targets'>): Metrics {
  const metering = createMetering(
    problemType,
    Array.from({ length: logits[0].length }, (_, k) => `c${k}`),
  );
  logits.forEach((row, i) => metering.add({ logits: Float32Array.from(row), target: targetOf(targets[i]), row: i }));
  return metering.metrics();
}

/** Compares numbers to rounding, within objects and lists, of the fields that are expected. */
function expectClose(got: unknown, expected: unknown, where: string): void {
  if (typeof expected === 'number') expect(got, where).toBeCloseTo(expected, 9);
  else if (typeof expected === 'object' && expected !== null)
    for (const [name, value] of Object.entries(expected))
      expectClose((got as Record<string, unknown>)[name], value, `${where}.${name}`);
  else expect(got, where).toBe(expected);
}

describe.each(Object.keys(cases) as ProblemType[])('%s', (problemType) => {
  it.each(cases[problemType].map((_, i) => i))('case %i is as scikit-learn and scipy have it', (i) => {
    const { logits, targets, matrix, ...expected } = cases[problemType][i];
    const metrics = metricsOf(problemType, { logits, targets });
    expectClose(metrics, expected, problemType);
    if (metrics.problemType !== 'single_label_classification') return;
    const counted = (matrix as number[][]).flatMap((row, label) =>
      row.flatMap((samples, predicted) =>
        samples === 0 ? [] : [{ label: `c${label}`, predicted: `c${predicted}`, samples }],
      ),
    );
    expect(metrics.confusion).toEqual(counted);
  });

  it.each(cases[problemType].map((_, i) => i))('case %i has the score that training is told', (i) => {
    const given = cases[problemType][i];
    const scorer = createScorer(problemType);
    given.logits.forEach((row, k) => scorer.add(Float32Array.from(row), targetOf(given.targets[k])));
    const { metric, value } = scoreOf(scorer.score());
    expect(value).toBeCloseTo(given[metric] as number, 9);
    expect(scorer.score().samples).toBe(given.logits.length);
  });
});

describe('what has no answer', () => {
  it('is null for a correlation with what does not vary, in the score, too', () => {
    const still = { logits: [[1], [2], [3]], targets: [[5], [5], [5]] };
    expect(metricsOf('regression', still)).toMatchObject({ pearson: null, spearman: null });
    const scorer = createScorer('regression');
    still.logits.forEach((row, i) => scorer.add(row, Float32Array.from(still.targets[i])));
    expect(scorer.score()).toEqual({ pearson: null, samples: 3 });
  });

  it('is null for the average precision of labels that no sample has', () => {
    expect(metricsOf('multi_label_classification', { logits: [[1, -1]], targets: [[0, 0]] })).toMatchObject({
      meanAveragePrecision: null,
      microF1: 0,
    });
  });
});

describe('the worst answers', () => {
  const labels = ['a', 'b', 'c'];

  it('are the wrong ones, the surest first', () => {
    const worst = worstAnswers('single_label_classification', labels, 2);
    const rows = [
      [0, 1, 0],
      [5, 0, 0],
      [0, 9, 0],
      [0, 0, 7],
    ];
    rows.forEach((logits, row) => worst.add({ logits: Float32Array.from(logits), target: 0, row }));
    const surest = Math.exp(9) / (Math.exp(9) + 2);
    expect(worst.answers()).toEqual([
      { row: 2, label: 'a', predicted: 'b', mostWrong: null, score: expect.closeTo(surest, 9) },
      {
        row: 3,
        label: 'a',
        predicted: 'c',
        mostWrong: null,
        score: expect.closeTo(Math.exp(7) / (Math.exp(7) + 2), 9),
      },
    ]);
  });

  it('of several labels are told with all of them and the most wrong one, of numbers by the error', () => {
    const several = worstAnswers('multi_label_classification', labels, 5);
    several.add({ logits: Float32Array.of(3, 2, -4), target: Float32Array.of(1, 0, 1), row: 7 });
    several.add({ logits: Float32Array.of(3, -2, 4), target: Float32Array.of(1, 0, 1), row: 8 });
    expect(several.answers()).toEqual([
      { row: 7, label: 'a|c', predicted: 'a|b', mostWrong: 'c', score: expect.closeTo(1 - 1 / (1 + Math.exp(4)), 9) },
    ]);
    const numbers = worstAnswers('regression', ['x'], 5);
    numbers.add({ logits: Float32Array.of(2.5), target: Float32Array.of(4), row: 1 });
    numbers.add({ logits: Float32Array.of(0.25), target: Float32Array.of(5), row: 2 });
    expect(numbers.answers().map(({ row, label, predicted, score }) => [row, label, predicted, score])).toEqual([
      [2, '5', '0.25', -4.75],
      [1, '4', '2.5', -1.5],
    ]);
  });
});
