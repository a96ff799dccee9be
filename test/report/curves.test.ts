/** metrics.jsonl as curves: what is kept of long ones, and what of damaged ones. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MOST_POINTS, type Point, readCurves, thinnedCurve } from '../../cli/report/curves.ts';
import { random } from '../../runtime/random.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();

function log(name: string, lines: readonly (string | object)[]): string {
  const path = join(folder, name);
  writeFileSync(path, lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join(''));
  return path;
}

describe('readCurves', () => {
  it('keeps all of a short run: steps count from 1, evaluations stand after their step', async () => {
    const path = log('short', [
      { step: 0, loss: 2, lambda: 1, learningRate: 0.5 },
      { step: 1, loss: 1.5, lambda: 0, learningRate: 0.25 },
      { step: 1, accuracy: 0.75, samples: 4 },
    ]);
    const { curves, unreadable } = await readCurves(path, 2);
    expect(unreadable).toBe(0);
    expect([...curves.keys()].sort()).toEqual(['accuracy', 'lambda', 'learningRate', 'loss']);
    expect(curves.get('loss')!.points).toEqual([
      [1, 2],
      [2, 1.5],
    ]);
    expect(curves.get('loss')!.means).toEqual(curves.get('loss')!.points);
    expect(curves.get('accuracy')!.points).toEqual([[2, 0.75]]);
  });

  it('counts lines that are cut short, too long or of no step, and passes over what is no number', async () => {
    const path = log('damaged', [
      { step: 0, loss: 1 },
      { step: -1, loss: 9 },
      { loss: 9 },
      '[1]',
      'null',
      `{"step":1,"loss":3,"x":"${'x'.repeat(70_000)}"}`,
      { step: 2, loss: 'much', pearson: null },
      '{"step":3,"lo',
    ]);
    const { curves, unreadable } = await readCurves(path, 4);
    expect(unreadable).toBe(6);
    expect([...curves]).toEqual([['loss', { points: [[1, 1]], means: [[1, 1]], count: 1 }]]);
  });

  it('says which file it can not read', async () => {
    await expect(readCurves(join(folder, 'absent'), 1)).rejects.toThrow(/can't read .*absent/);
  });
});

describe('a long curve', () => {
  const STEPS = 100_000;
  const source = random(3);
  const all: Point[] = Array.from({ length: STEPS }, (_, i) => [i + 1, source.normal() + 5 * Math.exp(-i / 9000)]);
  const spiked = all.map(([step, value]): Point => (step === 61_803 ? [step, 99] : [step, value]));
  const thinned = (points: readonly Point[]): ReturnType<ReturnType<typeof thinnedCurve>['curve']> => {
    const curve = thinnedCurve(STEPS);
    for (const [step, value] of points) curve.add(step, value);
    return curve.curve();
  };

  it('is thinned to points of its own, in their order, with its ends and extremes', () => {
    const { points, count } = thinned(spiked);
    expect(count).toBe(STEPS);
    expect(points.length).toBeLessThanOrEqual(MOST_POINTS);
    expect(points.length).toBeGreaterThan(MOST_POINTS / 2);
    for (const [step, value] of points) expect(spiked[step - 1][1]).toBe(value);
    expect(points.map(([step]) => step)).toEqual([...points.map(([step]) => step)].sort((a, b) => a - b));
    const least = spiked.reduce((a, b) => (b[1] < a[1] ? b : a));
    for (const kept of [spiked[0], spiked[STEPS - 1], [61_803, 99], least]) expect(points).toContainEqual(kept);
    expect(thinned(spiked)).toEqual(thinned(spiked));
  });

  it('has the means of stretches of one length', () => {
    const { means } = thinned(all);
    expect(means).toHaveLength(125);
    const stretch = all.slice(800, 1600).map(([, value]) => value);
    expect(means[1][0]).toBeCloseTo(1200.5, 9);
    expect(means[1][1]).toBeCloseTo(stretch.reduce((a, b) => a + b, 0) / 800, 9);
  });

  it('keeps evaluations that are few', () => {
    const curve = thinnedCurve(STEPS);
    const few = [10_000, 20_000, 99_999, 100_000].map((step): Point => [step, step / STEPS]);
    for (const [step, value] of few) curve.add(step, value);
    expect(curve.curve().points).toEqual(few);
  });
});
