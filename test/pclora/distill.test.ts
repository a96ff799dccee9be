/** The feature loss against the sum by hand, the logit loss against PyTorch's. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Engine, evaluate, floats, type HostTensor } from '../../cli/engines/engine.ts';
import { gradients } from '../../cli/graph/grad.ts';
import { input } from '../../cli/graph/ops/leaf.ts';
import { blocksNamed, featureLoss, logitLoss } from '../../cli/pclora/distill.ts';
import type { ProblemType } from '../../runtime/artifact/problem-type.ts';
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

describe('--feature-blocks', () => {
  it.each([
    ['all', [0, 1, 2, 3, 4, 5]],
    ['last', [5]],
    ['0', [0]],
    ['5, 0,3', [0, 3, 5]],
  ])('%s of six blocks', (text, expected) => {
    expect(blocksNamed(text, 6)).toEqual(expected);
  });

  it.each([
    ['6', '"6" is not a block'],
    ['-1', '"-1" is not a block'],
    ['1.5', '"1.5" is not a block'],
    ['', '"" is not a block'],
    ['1,,2', '"" is not a block'],
    ['first', '"first" is not a block'],
    ['0,last', '"last" is not a block'],
    ['0x1', '"0x1" is not a block'],
    ['99999999999999999999', '"99999999999999999999" is not a block'],
    ['2,0,2', 'names block 2 twice'],
    ['2,02', 'names block 2 twice'],
  ])('refuses %j of six blocks', (text, message) => {
    expect(() => blocksNamed(text, 6)).toThrow(`--feature-blocks ${text}`);
    expect(() => blocksNamed(text, 6)).toThrow(message);
  });
});

/** torch 2.15, float64: F.kl_div(log_softmax(s/T), softmax(t/T), 'batchmean')·T², BCE less its least, mse_loss. */
describe('L_logit', () => {
  const [s, t] = [
    [1.5, -0.5, 0.25, 0, 2, -1],
    [0.5, 1, -2, 0.25, 3, 0],
  ];
  it.each<[ProblemType, number, number, readonly number[]]>([
    [
      'single_label_classification',
      1,
      0.4191239904168711,
      [
        0.16856087986998686, -0.2542828499997254, 0.08572197012973845, 0.028397319436950667, -0.027050551766750936,
        -0.0013467676701996744,
      ],
    ],
    [
      'single_label_classification',
      4,
      0.5922828182812891,
      [
        0.10586843103294041, -0.3304928746199858, 0.22462444358704514, 0.07436646994382827, -0.05050812231871526,
        -0.023858347625113015,
      ],
    ],
    [
      'multi_label_classification',
      1,
      0.15864435677438027,
      [
        0.03251919083196484, -0.058919651638643246, 0.07382892981061341, -0.010362750147633012, -0.011962841474091842,
        -0.038509763105000816,
      ],
    ],
    [
      'multi_label_classification',
      4,
      0.2104543889100139,
      [
        0.04097148438687559, -0.06225724950636954, 0.09205283128324677, -0.01041327714867705, -0.03781291198235892,
        -0.04145100059053205,
      ],
    ],
    ['regression', 4, 1.7291666666666667, [1 / 3, -0.5, 0.75, -1 / 12, -1 / 3, -1 / 3]],
  ])('of %s at temperature %d', async (problemType, temperature, expected, gradient) => {
    const [student, teacher] = [input('s', [2, 3]), input('t', [2, 3])];
    const loss = logitLoss(student, teacher, problemType, temperature);
    const feeds = { s: floats(Float32Array.from(s), [2, 3]), t: floats(Float32Array.from(t), [2, 3]) };
    const got = await evaluate(engine, { outputs: { loss, gradient: gradients(loss, [student])[0] } }, feeds);
    // Of decisions it is the difference of two sums, times 16.
    expectClose(got.loss.data, [expected], 1e-5, 'loss');
    expectClose(got.gradient.data, gradient, 2e-6, 'gradient');
    const none = await evaluate(engine, { outputs: { loss } }, { ...feeds, t: feeds.s });
    expect(Math.abs(none.loss.data[0])).toBeLessThan(1e-6);
  });
});
