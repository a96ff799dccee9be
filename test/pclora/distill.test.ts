/** The feature loss against the sum by hand. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Engine, evaluate, floats, type HostTensor } from '../../cli/engines/engine.ts';
import { gradients } from '../../cli/graph/grad.ts';
import { input } from '../../cli/graph/ops/leaf.ts';
import { featureLoss } from '../../cli/pclora/distill.ts';
import { random } from '../../runtime/random.ts';
import { expectClose } from '../support/compare.ts';
import { onnxEngine } from '../support/engines.ts';

const [BATCH, TOKENS, D, BLOCKS] = [3, 4, 5, 2];
const ROWS = BATCH * TOKENS;
const mask = Float32Array.of(1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 0);
const counted = [...mask]
  .map((m, row) => [m, row])
  .filter(([m]) => m === 1)
  .map(([, row]) => row);

let engine: Engine;
beforeAll(async () => {
  engine = await onnxEngine();
});
afterAll(() => engine.dispose());

const blocks = (name: string) => Array.from({ length: BLOCKS }, (_, i) => input(`${name}${i}`, [ROWS, D]));
const [student, teacher] = [blocks('student'), blocks('teacher')];

function draw(seed: number): Record<string, Float32Array> {
  const source = random(seed);
  return Object.fromEntries(
    [...student, ...teacher].map(({ attributes }) => [
      attributes.name as string,
      Float32Array.from({ length: ROWS * D }, () => source.normal()),
    ]),
  );
}

/** Mean over blocks of Σ (student - teacher)² / (rows · D), over those rows. */
function byHand(values: Record<string, Float32Array>, rows: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < BLOCKS; i++) {
    for (const row of rows)
      for (let d = 0; d < D; d++) sum += (values[`student${i}`][row * D + d] - values[`teacher${i}`][row * D + d]) ** 2;
  }
  return sum / (BLOCKS * rows.length * D);
}

function run(values: Record<string, Float32Array>, masked: boolean): Promise<Record<string, HostTensor>> {
  const loss = featureLoss(student, teacher, masked ? input('mask', [BATCH, TOKENS]) : null);
  const [gradient] = gradients(loss, [student[0]]);
  const feeds = Object.fromEntries(Object.entries(values).map(([name, data]) => [name, floats(data, [ROWS, D])]));
  return evaluate(engine, { outputs: { loss, gradient } }, { ...feeds, mask: floats(mask, [BATCH, TOKENS]) });
}

describe('L_feat', () => {
  const values = draw(1);

  it('without a mask is the mean over all rows and channels', async () => {
    const { loss } = await run(values, false);
    expectClose(
      loss.data,
      [
        byHand(
          values,
          Array.from({ length: ROWS }, (_, row) => row),
        ),
      ],
      1e-6,
      'loss',
    );
  });

  it('with a mask is the mean over tokens and channels', async () => {
    const { loss, gradient } = await run(values, true);
    expectClose(loss.data, [byHand(values, counted)], 1e-6, 'loss');
    const factor = 2 / (BLOCKS * counted.length * D);
    const expected = values.student0.map((v, at) => mask[Math.floor(at / D)] * factor * (v - values.teacher0[at]));
    expectClose(gradient.data, expected, 1e-6, 'gradient');
  });

  it('does not see what stands in padding', async () => {
    const other = Object.fromEntries(
      Object.entries(values).map(([name, data]) => [
        name,
        data.map((v, at) => (mask[Math.floor(at / D)] === 0 ? 1e3 + at : v)),
      ]),
    );
    const [first, second] = [await run(values, true), await run(other, true)];
    expect(second.loss.data).toEqual(first.loss.data);
  });
});
