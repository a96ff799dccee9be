/** A step on a batch in parts is the step on the whole batch. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DeviceTensor, type Engine, floats, type HostTensor, integers, partOf } from '../../cli/engines/engine.ts';
import { tensorsOf } from '../../cli/models/layers.ts';
import { adapterTensors } from '../../cli/pclora/linear.ts';
import { initialTensors } from '../../cli/pretrained/initial.ts';
import { ADAMW_DEFAULTS, adamwScalars, flatLayout } from '../../cli/train/optimizer.ts';
import { compressGraph, finetuneGraph, STATE, type StepGraph } from '../../cli/train/step.ts';
import { createSteps } from '../../cli/train/step-program.ts';
import { packVector } from '../../cli/train/trained-tensors.ts';
import { random } from '../../runtime/random.ts';
import { expectClose } from '../support/compare.ts';
import { describeOn, TEST_ENGINES } from '../support/engines.ts';
import { adapterOptions, denseTensors, tinyVit } from '../support/tiny-vit.ts';

const BATCH = 12;
const STEPS = 4;
/** With an ε that leaves gradients of nothing but rounding, as of a key's bias, without effect. */
const optimizer = { ...ADAMW_DEFAULTS, epsilon: 1e-2 };
const dense = tensorsOf(tinyVit.layers);
const adapters = adapterOptions('paper');
const specs = adapterTensors(tinyVit.layers, adapters.ranks);
const start = initialTensors(
  specs.map((spec) => ({ ...spec, start: 'normal' as const })),
  0.2,
  random(3),
);

/** A batch of its own for each step. */
function batchOf(step: number): Record<string, HostTensor> {
  const source = random(4, step);
  const { shape } = tinyVit.batchInputs(BATCH).pixels;
  const size = shape.reduce((product, length) => product * length, 1);
  return {
    pixels: floats(
      Float32Array.from({ length: size }, () => source.normal()),
      shape,
    ),
    labels: integers(
      Int32Array.from({ length: BATCH }, () => source.below(tinyVit.labels.length)),
      [BATCH],
    ),
  };
}

function fadingGraph(batch: number, tokenMultiple?: number): StepGraph {
  const options = { model: tinyVit, batch, layout: flatLayout(specs), adapters, alpha: 0.2, tokenMultiple };
  return compressGraph(options, 'fading');
}

const TRAININGS = [
  {
    what: 'PC-LoRA',
    optimizer,
    losses: ['loss', 'task', 'feature'],
    layout: flatLayout(specs),
    tensors: start,
    graph: fadingGraph,
  },
  {
    what: 'PC-LoRA by Muon',
    optimizer: { ...optimizer, factors: 'muon' as const },
    losses: ['loss', 'task', 'feature'],
    layout: flatLayout(specs),
    tensors: start,
    graph: fadingGraph,
  },
  {
    what: 'fine-tuning',
    optimizer,
    losses: ['loss'],
    layout: flatLayout(dense),
    tensors: denseTensors,
    graph: (batch: number, tokenMultiple?: number): StepGraph =>
      finetuneGraph({ model: tinyVit, batch, layout: flatLayout(dense), tokenMultiple }),
  },
];

// Not on webgpu: SwiftShader would take minutes to compile what golden/ runs there already.
for (const tested of TEST_ENGINES.filter(({ name }) => name !== 'webgpu'))
  describeOn(tested, `on ${tested.name}`, () => {
    let engine: Engine;
    beforeAll(async () => {
      engine = await tested.create();
    });
    afterAll(() => engine?.dispose());

    /** The losses and gradients' norms of some steps, and the state that they leave. */
    async function train(
      { optimizer, losses, layout, tensors, graph }: (typeof TRAININGS)[number],
      accumulate: number,
      tokenMultiple?: number,
    ) {
      const steps = createSteps(engine, { batchSize: BATCH, accumulate, layout, optimizer, losses });
      const program = await steps.compile((batch) => graph(batch, tokenMultiple), false);
      const vector = (values: Float32Array): DeviceTensor => engine.upload(floats(values, [layout.size]));
      const frozen = Object.fromEntries(
        dense.map(({ name, shape }) => [name, engine.upload(floats(denseTensors.get(name)!, shape))]),
      );
      let state: Record<string, DeviceTensor> = {
        parameters: vector(packVector(layout, tensors)),
        moment1: vector(new Float32Array(layout.size)),
        moment2: vector(new Float32Array(layout.size)),
      };
      const numbers: number[] = [];
      for (let step = 0; step < STEPS; step++) {
        const scalars = { lambda: 0.7, ...adamwScalars(step, 0.01, optimizer) };
        const outputs = await program.run(
          { ...frozen, ...state },
          {
            batch: batchOf(step),
            scalars: Object.fromEntries(
              Object.entries(scalars).map(([name, value]) => [name, floats(Float32Array.of(value), [])]),
            ),
          },
        );
        expect(Object.keys(outputs).sort()).toEqual([...losses, 'gradientNorm', ...STATE].sort());
        for (const name of [...losses, 'gradientNorm']) numbers.push((await outputs[name].read())[0]);
        state = Object.fromEntries(STATE.map((name) => [name, outputs[name]]));
      }
      const parameters = (await state.parameters.read()).slice();
      await program.dispose();
      await steps.dispose();
      return { numbers, parameters };
    }

    describe.each(TRAININGS)('$what', (training) => {
      it.each([2, 3, 12])('in %i parts is that of the whole batch', async (accumulate) => {
        const [whole, parts] = [await train(training, 1), await train(training, accumulate)];
        expectClose(parts.numbers, whole.numbers, 1e-5, 'losses and norms');
        expectClose(parts.parameters, whole.parameters, 1e-5, 'parameters');
      });

      it('is the same with tokens of padding', async () => {
        expect(tinyVit.tokens).toBe(7);
        const [plain, padded] = [await train(training, 1), await train(training, 1, 8)];
        expectClose(padded.numbers, plain.numbers, 1e-5, 'losses and norms');
        expectClose(padded.parameters, plain.parameters, 1e-5, 'parameters');
      });
    });
  });

describe('steps in parts on an engine that fails', () => {
  const graph = (batch: number): StepGraph => finetuneGraph({ model: tinyVit, batch, layout: flatLayout(dense) });

  /** Programs and tensors that count themselves; `compiles` and `runs` say what fails. */
  function failing(given: { readonly compiles: boolean[]; readonly runs: boolean[] }) {
    const living = { programs: 0, tensors: 0 };
    const tensor = (): DeviceTensor => {
      living.tensors++;
      let isLiving = true;
      return {
        dtype: 'f32',
        shape: [],
        read: async () => Float32Array.of(0),
        dispose() {
          if (isLiving) living.tensors--;
          isLiving = false;
        },
      };
    };
    const engine = {
      upload: tensor,
      async compile({ outputs }: { outputs: Record<string, unknown> }) {
        if (given.compiles.shift() === false) throw new Error('does not compile');
        living.programs++;
        return {
          async run() {
            if (given.runs.shift() === false) throw new Error('does not run');
            return Object.fromEntries(Object.keys(outputs).map((name) => [name, tensor()]));
          },
          dispose: async () => void living.programs--,
        };
      },
    } as unknown as Engine;
    const layout = flatLayout(dense);
    const steps = createSteps(engine, { batchSize: 4, accumulate: 2, layout, optimizer, losses: ['loss'] });
    return { steps, living };
  }

  it.each([[[false]], [[true, false]]])('compiles again what did not compile: %j', async (compiles) => {
    const { steps, living } = failing({ compiles: [...compiles], runs: [] });
    await expect(steps.compile(graph, false)).rejects.toThrow('does not compile');
    const program = await steps.compile(graph, false);
    await program.dispose();
    await steps.dispose();
    expect(living).toEqual({ programs: 0, tensors: 0 });
  });

  it.each([[[false]], [[true, false]], [[true, true, false]]])(
    'leaves no tensor where a run fails: %j',
    async (runs) => {
      const { steps, living } = failing({ compiles: [], runs: [...runs] });
      const program = await steps.compile(graph, false);
      const batch = Object.fromEntries(Object.entries(batchOf(0)).map(([name, whole]) => [name, partOf(whole, 0, 3)]));
      await expect(program.run({}, { batch, scalars: {} })).rejects.toThrow('does not run');
      await program.dispose();
      await steps.dispose();
      expect(living).toEqual({ programs: 0, tensors: 0 });
    },
  );
});
