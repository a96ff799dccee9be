/**
 * Muon for the factors, against what it does to singular values. Gradients that share their singular vectors keep them
 * through momentum and Newton–Schulz, so that float64 follows each singular value by itself, without a product of
 * matrices. All other tensors are held to AdamW.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Engine } from '../../cli/engines/engine.ts';
import { elementCount } from '../../cli/graph/graph.ts';
import { input } from '../../cli/graph/ops/leaf.ts';
import { type TensorSpec, WORD_EMBEDDING } from '../../cli/models/layers.ts';
import {
  ADAMW_DEFAULTS,
  flatLayout,
  type OptimizerOptions,
  optimizerUpdate,
  sliceTensors,
} from '../../cli/train/optimizer.ts';
import { type Random, random } from '../../runtime/random.ts';
import { expectClose } from '../support/compare.ts';
import { describeOn, TEST_ENGINES } from '../support/engines.ts';
import { clipFactor, graphStep, type ScalarState, scalarStep } from '../support/scalar-adamw.ts';

const RATE = 0.02;
const options = { ...ADAMW_DEFAULTS, weightDecay: 0.3, factors: 'muon' as const };
const spec = (name: string, shape: readonly number[]): TensorSpec => ({ name, shape, start: 'normal' });
/** Wide and tall of one shape, another shape, rank 1, a square; what is not a factor lies before, between and after. */
const layout = flatLayout([
  spec('head.weight', [4, 6]),
  spec('block.0.query.loraA', [3, 8]),
  spec('block.0.query.loraB', [8, 3]),
  spec('block.0.query.loraC', [8]),
  spec('block.0.up.loraA', [3, 8]),
  spec('block.0.up.loraB', [10, 3]),
  spec('block.0.down.loraA', [1, 5]),
  spec('block.0.down.loraB', [4, 4]),
  spec(`${WORD_EMBEDDING}.loraA`, [3, 8]),
  spec(`${WORD_EMBEDDING}.loraB`, [12, 3]),
]);
const FACTORS = layout.tensors.filter(({ name }) => /^block\..*\.lora[AB]$/.test(name));

type Matrix = readonly (readonly number[])[];

/** So many orthonormal vectors of a length, by Gram–Schmidt, twice for rounding. */
function orthonormal(count: number, length: number, source: Random): Matrix {
  const vectors: number[][] = [];
  while (vectors.length < count) {
    let vector = Array.from({ length }, () => source.normal());
    for (const other of [...vectors, ...vectors]) {
      const along = vector.reduce((sum, value, i) => sum + value * other[i], 0);
      vector = vector.map((value, i) => value - along * other[i]);
    }
    const norm = Math.hypot(...vector);
    vectors.push(vector.map((value) => value / norm));
  }
  return vectors;
}

/** Σ sᵢ·uᵢ·vᵢᵀ, row by row. */
function product(left: Matrix, values: readonly number[], right: Matrix): number[] {
  return left[0].flatMap((_, row) =>
    right[0].map((__, column) => values.reduce((sum, s, i) => sum + left[i][row] * s * right[i][column], 0)),
  );
}

/** A factor's gradients, known by their singular vectors; its momentum is, too. */
function factorOracle({ name, shape: [rows, columns] }: TensorSpec, source: Random) {
  const [short, long] = [Math.min(rows, columns), Math.max(rows, columns)];
  const [left, right] = [orthonormal(short, rows, source), orthonormal(short, columns, source)];
  let momentum = new Array<number>(short).fill(0);
  return {
    name,
    /** Singular values of either sign, none of them small beside the others. */
    draw: (): number[] =>
      Array.from({ length: short }, () => (source.normal() < 0 ? -1 : 1) * (0.5 + source.uniform())),
    matrix: (values: readonly number[]): number[] => product(left, values, right),
    /** What the factor moves by for a learning rate of 1. */
    step(clipped: readonly number[]): number[] {
      momentum = momentum.map((m, i) => 0.9 * m + 0.1 * clipped[i]);
      const nesterov = momentum.map((m, i) => 0.9 * m + 0.1 * clipped[i]);
      let values = nesterov.map((value) => value / Math.hypot(...nesterov));
      for (let i = 0; i < 5; i++) values = values.map((s) => 3.4445 * s - 4.775 * s ** 3 + 2.0315 * s ** 5);
      return product(left, values, right).map((value) => 0.2 * Math.sqrt(long) * value);
    },
  };
}

function rangeOf(name: string): [from: number, to: number] {
  const i = layout.tensors.findIndex((tensor) => tensor.name === name);
  return [layout.offsets[i], layout.offsets[i] + elementCount(layout.tensors[i].shape)];
}

const zeros = (): number[] => new Array<number>(layout.size).fill(0);

for (const tested of TEST_ENGINES)
  describeOn(tested, `Muon on ${tested.name}`, () => {
    let engine: Engine;
    beforeAll(async () => {
      engine = await tested.create();
    });
    afterAll(() => engine?.dispose());

    const gradients = [...sliceTensors(input('gradient', [layout.size]), layout).values()];
    const updateOf = (of: OptimizerOptions) =>
      optimizerUpdate(layout, input('parameters', [layout.size]), gradients, of);

    async function updated(
      state: ScalarState,
      gradient: readonly number[],
      step: number,
      loraPlusRatio = 1,
    ): Promise<ScalarState> {
      const outputs = updateOf({ ...options, loraPlusRatio });
      const made = await graphStep(engine, outputs, state, gradient, step, RATE, options);
      const { parameters, moment1, moment2 } = made;
      return { parameters: [...parameters.data], moment1: [...moment1.data], moment2: [...moment2.data] };
    }

    it.each([
      ['alike', 1],
      ['alike, those of B four times as far with LoRA+', 4],
    ])('makes the directions of factors %s, and moves all else by AdamW', async (_, ratio) => {
      const source = random(47);
      const oracles = FACTORS.map((factor) => factorOracle(factor, source));
      const start = zeros().map(() => Math.fround(0.1 * source.normal()));
      let state: ScalarState = { parameters: start, moment1: zeros(), moment2: zeros() };
      for (let step = 0; step < 4; step++) {
        const drawn = oracles.map((oracle) => oracle.draw());
        const gradient = zeros().map(() => source.normal());
        for (const [i, { name, matrix }] of oracles.entries())
          gradient.splice(rangeOf(name)[0], matrix(drawn[i]).length, ...matrix(drawn[i]));
        const expected = scalarStep(state, gradient, step, RATE, options);
        const clip = clipFactor(expected.norm, options.clipNorm);
        expect(clip, 'the gradients are clipped').toBeLessThan(0.5);
        const actual = await updated(state, gradient, step, ratio);
        expectClose(actual.moment1, expected.moment1, 2e-6, `momentum at step ${step}`);
        for (const { name } of layout.tensors) {
          const [from, to] = rangeOf(name);
          const i = oracles.findIndex((oracle) => oracle.name === name);
          const moved = i < 0 ? null : oracles[i].step(drawn[i].map((value) => value * clip));
          const rate = moved && name.endsWith('B') ? ratio * RATE : RATE;
          const decayed = state.parameters.map((theta) => theta * (1 - rate * options.weightDecay));
          const target = moved
            ? moved.map((value, j) => decayed[from + j] - rate * value)
            : expected.parameters.slice(from, to);
          const change = (values: readonly number[]) => values.map((value, j) => value - state.parameters[from + j]);
          expectClose(change(actual.parameters.slice(from, to)), change(target), 1e-4, `${name} at step ${step}`);
        }
        state = actual;
      }
    });

    it('moves nothing without gradients', async () => {
      const parameters = zeros().map((_, i) => i / 64);
      const undecayed = { parameters: zeros(), moment1: zeros(), moment2: zeros() };
      expect((await updated(undecayed, zeros(), 0)).parameters.every((value) => value === 0)).toBe(true);
      const { parameters: after } = await updated({ ...undecayed, parameters }, zeros(), 0);
      expectClose(
        after,
        parameters.map((theta) => theta * (1 - RATE * options.weightDecay)),
        1e-6,
        'decayed only',
      );
    });
  });
