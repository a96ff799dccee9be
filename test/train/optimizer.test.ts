/** AdamW and clipping as graph, against the update written for one number at a time in float64. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../cli/engines/engine.ts';
import { lowerToOnnx } from '../../cli/engines/onnx/lower.ts';
import { elementCount } from '../../cli/graph/graph.ts';
import { input } from '../../cli/graph/ops/leaf.ts';
import { WORD_EMBEDDING } from '../../cli/models/layers.ts';
import {
  ADAMW_DEFAULTS,
  type AdamwOptions,
  flatLayout,
  type OptimizerOptions,
  optimizerUpdate,
  sliceTensors,
} from '../../cli/train/optimizer.ts';
import { packVector, unpackVector } from '../../cli/train/trained-tensors.ts';
import { random } from '../../runtime/random.ts';
import { expectClose } from '../support/compare.ts';
import { describeOn, onnxEngine, TEST_ENGINES } from '../support/engines.ts';
import { graphStep, type ScalarState, scalarStep } from '../support/scalar-adamw.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await onnxEngine();
});
afterAll(() => engine.dispose());

const layout = flatLayout([
  { name: 'a', shape: [2, 3], start: 'normal' },
  { name: 'b', shape: [], start: 'normal' },
  { name: 'c', shape: [5], start: 'normal' },
]);

const RATE = 0.01;
const cases: [what: string, options: AdamwOptions, gradientSize: number][] = [
  ['the defaults, clipping', ADAMW_DEFAULTS, 3],
  ['the defaults, gradients below the limit', ADAMW_DEFAULTS, 0.01],
  ['no clipping', { ...ADAMW_DEFAULTS, clipNorm: 0 }, 3],
  ['weight decay', { ...ADAMW_DEFAULTS, weightDecay: 0.3 }, 1],
  ['other betas and a large ε', { beta1: 0.5, beta2: 0.9, epsilon: 0.1, weightDecay: 0.01, clipNorm: 2 }, 1],
];

describe.each(cases)('AdamW with %s', (_, options, size) => {
  it('makes the steps of the scalar update', async () => {
    const source = random(31);
    const draw = (scale: number): number[] =>
      Array.from({ length: layout.size }, () => Math.fround(scale * source.normal()));
    const gradientNodes = [...sliceTensors(input('gradient', [layout.size]), layout).values()];
    const outputs = optimizerUpdate(layout, input('parameters', [layout.size]), gradientNodes, options);
    const zeros = new Array<number>(layout.size).fill(0);
    let state: ScalarState = { parameters: draw(1), moment1: zeros, moment2: zeros };
    for (let step = 0; step < 5; step++) {
      const gradient = draw(size);
      const actual = await graphStep(engine, outputs, state, gradient, step, RATE, options);
      const expected = scalarStep(state, gradient, step, RATE, options);
      expectClose(actual.gradientNorm.data, [expected.norm], 1e-6, `norm at step ${step}`);
      expectClose(actual.moment1.data, expected.moment1, 2e-6, `first moment at step ${step}`);
      expectClose(actual.moment2.data, expected.moment2, 2e-6, `second moment at step ${step}`);
      // The change, not the value: next to a parameter of 1 a wrong step of 0.01 would hardly show.
      const change = (to: ArrayLike<number>) => state.parameters.map((theta, i) => to[i] - theta);
      expectClose(change(actual.parameters.data), change(expected.parameters), 1e-4, `change at step ${step}`);
      state = {
        parameters: [...actual.parameters.data],
        moment1: [...actual.moment1.data],
        moment2: [...actual.moment2.data],
      };
    }
  });
});

it('moves every parameter by the learning rate in the first step, whatever the gradient', async () => {
  // m̂ = g and v̂ = g², so that the step is lr·g/|g|.
  const three = flatLayout([{ name: 'c', shape: [3], start: 'normal' }]);
  const unclipped = { ...ADAMW_DEFAULTS, clipNorm: 0 };
  const outputs = optimizerUpdate(three, input('parameters', [3]), [input('gradient', [3])], unclipped);
  const zeros = [0, 0, 0];
  const state = { parameters: zeros, moment1: zeros, moment2: zeros };
  const { parameters } = await graphStep(engine, outputs, state, [1e-3, -5, 100], 0, RATE, unclipped);
  expectClose(parameters.data, [-RATE, RATE, -RATE], 1e-4, 'first step');
});

describe('LoRA+', () => {
  /** One A for three B, as with --fuse-qkv; factors of a word table, and what is no factor. */
  const layout = flatLayout(
    [
      ['block.0.qkv.loraA', [2, 4]],
      ['block.0.query.loraB', [4, 2]],
      ['block.0.query.loraC', [4]],
      ['block.0.key.loraB', [4, 2]],
      ['block.0.value.loraB', [4, 2]],
      [`${WORD_EMBEDDING}.loraA`, [2, 4]],
      [`${WORD_EMBEDDING}.loraB`, [7, 2]],
      ['head.weight', [3, 4]],
    ].map(([name, shape]) => ({ name: name as string, shape: shape as number[], start: 'normal' as const })),
  );
  const gradients = [...sliceTensors(input('gradient', [layout.size]), layout).values()];
  const updateOf = (options: OptimizerOptions) =>
    optimizerUpdate(layout, input('parameters', [layout.size]), gradients, options);
  const FASTER = ['block.0.query.loraB', 'block.0.key.loraB', 'block.0.value.loraB'];

  for (const tested of TEST_ENGINES)
    describeOn(tested, `on ${tested.name}`, () => {
      let engine: Engine;
      beforeAll(async () => {
        engine = await tested.create();
      });
      afterAll(() => engine?.dispose());

      it.each([16, 0.25])('moves and decays B at %d times the learning rate, and all else at it', async (ratio) => {
        const source = random(37);
        const draw = (): number[] => Array.from({ length: layout.size }, () => Math.fround(source.normal()));
        const options = { ...ADAMW_DEFAULTS, weightDecay: 0.3, loraPlusRatio: ratio };
        const zeros = new Array<number>(layout.size).fill(0);
        let state: ScalarState = { parameters: draw(), moment1: zeros, moment2: zeros };
        for (let step = 0; step < 3; step++) {
          const gradient = draw();
          const { parameters, moment1, moment2 } = await graphStep(
            engine,
            updateOf(options),
            state,
            gradient,
            step,
            RATE,
            options,
          );
          const [slow, fast] = [RATE, ratio * RATE].map((rate) => scalarStep(state, gradient, step, rate, options));
          expectClose(moment1.data, slow.moment1, 2e-6, `first moment at step ${step}`);
          for (const [i, { name, shape }] of layout.tensors.entries()) {
            const expected = FASTER.includes(name) ? fast : slow;
            const [from, to] = [layout.offsets[i], layout.offsets[i] + elementCount(shape)];
            const change = (next: ArrayLike<number>) =>
              Array.from(next)
                .slice(from, to)
                .map((theta, at) => theta - state.parameters[from + at]);
            expectClose(change(parameters.data), change(expected.parameters), 2e-4, `${name} at step ${step}`);
          }
          state = { parameters: [...parameters.data], moment1: [...moment1.data], moment2: [...moment2.data] };
        }
      });
    });

  it.each(['adamw', 'muon'] as const)('at 1 leaves the graph of %s as it is', (factors) => {
    const graphOf = (loraPlusRatio?: number) =>
      lowerToOnnx({ outputs: { ...updateOf({ ...ADAMW_DEFAULTS, weightDecay: 0.3, factors, loraPlusRatio }) } });
    expect(graphOf(1)).toEqual(graphOf());
    expect(graphOf(2)).not.toEqual(graphOf());
  });
});

describe('the layout of the trained vector', () => {
  it('puts tensors one after another, and takes them apart again', () => {
    expect(layout).toMatchObject({ offsets: [0, 6, 7], size: 12 });
    const tensors = new Map([
      ['a', Float32Array.of(1, 2, 3, 4, 5, 6)],
      ['b', Float32Array.of(7)],
      ['c', Float32Array.of(8, 9, 10, 11, 12)],
    ]);
    const vector = packVector(layout, tensors);
    expect([...vector]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    const unpacked = unpackVector(layout, vector);
    expect(unpacked).toEqual(tensors);
    vector.fill(0);
    expect(unpacked).toEqual(tensors);
  });
});
