/** One suite, three engines: each against float64 formulas and finite differences, and all against each other. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  bytes,
  type Engine,
  EngineError,
  evaluate,
  floats,
  type HostTensor,
  integers,
} from '../../cli/engines/engine.ts';
import { gradients } from '../../cli/graph/grad.ts';
import type { DType, Node, Shape } from '../../cli/graph/graph.ts';
import { add, multiply, scale } from '../../cli/graph/ops/binary.ts';
import { constant, input } from '../../cli/graph/ops/leaf.ts';
import { sumOfAll } from '../../cli/graph/ops/reduce.ts';
import { type Random, random } from '../../runtime/random.ts';
import { expectClose } from '../support/compare.ts';
import { describeOn, TEST_ENGINES } from '../support/engines.ts';
import { centralDifferences, type Tensor, tensor } from '../support/reference.ts';
import { CASES, type Case, type Drawn } from './operations.ts';

const engines = new Map<string, Engine>();
beforeAll(async () => {
  for (const { name, create, absent } of TEST_ENGINES) if (absent === null) engines.set(name, await create());
});
afterAll(async () => {
  for (const engine of engines.values()) await engine.dispose();
});

/** A case's inputs, drawn from its own name so that no case moves another's. All are exact in float32. */
function draw({ operation, what, inputs }: Case): Tensor[] {
  const source = random(...[...`${operation} ${what}`].map((letter) => letter.codePointAt(0)!));
  const value = ({ from, to, classes, bytes }: Drawn): number => {
    if (bytes) return source.below(256);
    if (classes !== undefined) return source.below(classes);
    return from === undefined ? source.normal() : from + (to! - from) * source.uniform();
  };
  return inputs.map((drawn) =>
    drawn.mask ? maskOf(drawn.shape, source) : tensor(drawn.shape, () => Math.fround(value(drawn))),
  );
}

function maskOf(shape: Shape, source: Random): Tensor {
  const [rows, width] = shape;
  const lengths = Array.from({ length: rows }, () => 1 + source.below(width));
  return tensor(shape, ([row, token]) => Number(token < lengths[row]));
}

function dtypeOf({ classes, bytes }: Drawn): DType {
  return bytes ? 'u8' : classes === undefined ? 'f32' : 'i32';
}

function hostTensor(dtype: DType, { data, shape }: Tensor): HostTensor {
  if (dtype === 'u8') return bytes(Uint8Array.from(data), shape);
  return dtype === 'f32' ? floats(Float32Array.from(data), shape) : integers(Int32Array.from(data), shape);
}

interface Prepared {
  readonly outputs: Readonly<Record<string, Node>>;
  readonly feeds: Readonly<Record<string, HostTensor>>;
  /** What each output should be, in float64. */
  readonly expected: Readonly<Record<string, Tensor>>;
}

/** The graph of a case: its value and, projected on fixed random weights, its gradient for every float input. */
function prepare(given: Case): Prepared {
  const values = draw(given);
  const nodes = given.inputs.map((drawn, i) => input(`x${i}`, drawn.shape, dtypeOf(drawn)));
  const value = given.build(...nodes);
  const compute = (): Tensor => tensor(given.shape, (index) => given.entry(index, ...values));
  const outputs: Record<string, Node> = { value };
  const expected: Record<string, Tensor> = { value: compute() };
  const floating = given.inputs.flatMap((drawn, i) => (dtypeOf(drawn) === 'f32' && !drawn.mask ? [i] : []));
  if (given.differentiable ?? true) {
    const source = random(7);
    const weights = tensor(given.shape, () => Math.fround(source.normal()));
    const differentiated = given.differentiated ?? given.entry;
    const project = (): number =>
      tensor(given.shape, (index) => differentiated(index, ...values)).data.reduce(
        (sum, y, i) => sum + y * weights.data[i],
        0,
      );
    const loss = sumOfAll(multiply(value, constant(Float32Array.from(weights.data), given.shape)));
    gradients(
      loss,
      floating.map((i) => nodes[i]),
    ).forEach((gradient, k) => {
      const i = floating[k];
      outputs[`gradient ${i}`] = gradient;
      expected[`gradient ${i}`] = { shape: values[i].shape, data: centralDifferences(project, values[i]) };
    });
  }
  const feeds = Object.fromEntries(given.inputs.map((drawn, i) => [`x${i}`, hostTensor(dtypeOf(drawn), values[i])]));
  return { outputs, feeds, expected };
}

const results = new Map<string, Promise<Record<string, HostTensor>>>();

/** What an engine makes of a case; asked for twice, run once. */
function resultOf(engine: string, given: Case, { outputs, feeds }: Prepared): Promise<Record<string, HostTensor>> {
  const key = `${engine} ${CASES.indexOf(given)}`;
  const known = results.get(key) ?? evaluate(engines.get(engine)!, { outputs }, feeds);
  results.set(key, known);
  return known;
}

const titled = CASES.map((given) => [`${given.operation} ${given.what}`, given] as const);

for (const engine of TEST_ENGINES)
  describeOn(engine, `${engine.name} against float64`, () => {
    it.each(titled)('%s', async (_, given) => {
      const prepared = prepare(given);
      const actual = await resultOf(engine.name, given, prepared);
      for (const [name, expected] of Object.entries(prepared.expected)) {
        expect(prepared.outputs[name].shape, `${name}: inferred shape`).toEqual(expected.shape);
        expect(actual[name].shape, `${name}: computed shape`).toEqual(expected.shape);
        expect(actual[name].dtype).toBe(prepared.outputs[name].dtype);
        expectClose(actual[name].data, expected.data, 1e-5, name);
      }
    });
  });

const [onnx, ...others] = TEST_ENGINES;
for (const other of others)
  describeOn({ ...other, absent: onnx.absent ?? other.absent }, `onnx against ${other.name}`, () => {
    it.each(titled)('%s', async (_, given) => {
      const prepared = prepare(given);
      const [expected, actual] = await Promise.all(
        ['onnx', other.name].map((engine) => resultOf(engine, given, prepared)),
      );
      for (const name of Object.keys(prepared.outputs)) {
        // What is nothing but rounding has no digits in common: that it is nothing, the suites above have seen.
        if (prepared.expected[name].data.every((value) => value === 0)) continue;
        expectClose(expected[name].data, actual[name].data, 1e-4, name);
      }
    });
  });

for (const tested of TEST_ENGINES)
  describeOn(tested, `${tested.name} as an engine`, () => {
    const engine = (): Engine => engines.get(tested.name)!;
    const vector = (...values: number[]): HostTensor => floats(Float32Array.from(values), [values.length]);
    const x = input('x', [3]);

    it('runs one program again and again, and leaves earlier results alone', async () => {
      const program = await engine().compile({ outputs: { y: scale(x, 2) } });
      const first = await program.run({ x: engine().upload(vector(1, 2, 3)) });
      const second = await program.run({ x: engine().upload(vector(4, 5, 6)) });
      expect([...(await first.y.read())]).toEqual([2, 4, 6]);
      expect([...(await second.y.read())]).toEqual([8, 10, 12]);
      await program.dispose();
    });

    it('gives bytes back as they came', async () => {
      const given = bytes(Uint8Array.of(0, 1, 127, 128, 254, 255), [2, 3]);
      const same = await evaluate(engine(), { outputs: { same: input('given', [2, 3], 'u8') } }, { given });
      expect(same).toEqual({ same: given });
    });

    it('takes its own outputs as inputs', async () => {
      const program = await engine().compile({ outputs: { x: add(x, x) } });
      let state = { x: engine().upload(vector(1, 2, 3)) };
      for (let step = 0; step < 3; step++) state = { x: (await program.run(state)).x };
      expect([...(await state.x.read())]).toEqual([8, 16, 24]);
      await program.dispose();
    });

    it('gives one value under two names, and an input as an output, each with a life of its own', async () => {
      const doubled = add(x, x);
      const program = await engine().compile({ outputs: { a: doubled, b: doubled, x } });
      const given = engine().upload(vector(1, 2, 3));
      const { a, b, x: same } = await program.run({ x: given });
      a.dispose();
      given.dispose();
      expect([...(await b.read())]).toEqual([2, 4, 6]);
      expect([...(await same.read())]).toEqual([1, 2, 3]);
      await program.dispose();
    });

    it('ignores inputs that the graph does not take', async () => {
      const results = await evaluate(
        engine(),
        { outputs: { y: scale(x, 3) } },
        { x: vector(1, 2, 3), other: vector(1) },
      );
      expect([...results.y.data]).toEqual([3, 6, 9]);
    });

    it('takes inputs as constants when it compiles', async () => {
      const y = input('y', [3]);
      const program = await engine().compile(
        { outputs: { z: add(multiply(x, y), y) } },
        { constants: { y: vector(10, 20, 30) } },
      );
      const { z } = await program.run({ x: engine().upload(vector(1, 2, 3)) });
      expect([...(await z.read())]).toEqual([20, 60, 120]);
      await program.dispose();
    });

    it('runs programs that take turns, again and again', async () => {
      const y = input('y', [3]);
      const programs = [
        await engine().compile({ outputs: { z: add(x, y) } }, { takesTurns: true }),
        await engine().compile({ outputs: { z: multiply(x, y) } }, { takesTurns: true }),
      ];
      for (const factor of [1, 10]) {
        const given = { x: engine().upload(vector(1, 2, 3)), y: engine().upload(vector(factor, factor, factor)) };
        const results = [];
        for (const program of programs) results.push([...(await (await program.run(given)).z.read())]);
        expect(results).toEqual([
          [1 + factor, 2 + factor, 3 + factor],
          [factor, 2 * factor, 3 * factor],
        ]);
      }
      for (const program of programs) await program.dispose();
    });

    it('takes the memory of what is donated, or leaves it', async () => {
      const program = await engine().compile({ outputs: { x: add(x, x), y: scale(x, 3) } }, { donated: { x: 'x' } });
      let state = { x: engine().upload(vector(1, 2, 3)) };
      for (let step = 0; step < 3; step++) {
        const results = await program.run(state);
        expect([...(await results.y.read())]).toEqual([1, 2, 3].map((value) => 3 * 2 ** step * value));
        state.x.dispose();
        state = { x: results.x };
      }
      expect([...(await state.x.read())]).toEqual([8, 16, 24]);
      await program.dispose();
    });

    it('names an input that is missing', async () => {
      const program = await engine().compile({ outputs: { y: scale(x, 2) } });
      const running = program.run({ other: engine().upload(vector(1, 2, 3)) });
      await expect(running).rejects.toThrow(EngineError);
      await expect(running).rejects.toThrow(`${tested.name}: input x is missing`);
      await program.dispose();
    });
  });
