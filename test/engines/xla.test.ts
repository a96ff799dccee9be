/** What is xla's own: precision, tensors in flight, memory, and modules. The contract suite holds what all engines do. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Engine, evaluate, floats } from '../../cli/engines/engine.ts';
import type { Precision } from '../../cli/engines/precision.ts';
import { lowerToStableHlo } from '../../cli/engines/xla/lower.ts';
import { gradients } from '../../cli/graph/grad.ts';
import { add, scale } from '../../cli/graph/ops/binary.ts';
import { gemm } from '../../cli/graph/ops/gemm.ts';
import { input } from '../../cli/graph/ops/leaf.ts';
import { linear } from '../../cli/graph/ops/linear.ts';
import { sumOfAll } from '../../cli/graph/ops/reduce.ts';
import { softmax } from '../../cli/graph/ops/softmax.ts';
import { random } from '../../runtime/random.ts';
import { skipNote } from '../contract/hosts/installed.ts';
import { relativeError } from '../support/compare.ts';
import { createTestXlaEngine, withoutXla } from '../support/xla.ts';

describe('a module', () => {
  const x = input('x', [2, 3]);
  const text = (precision: Precision, donated?: Record<string, string>): string =>
    lowerToStableHlo({ outputs: { y: gemm(x, x, null, { transB: true }), x: scale(x, 2) } }, { precision, donated })
      .text;

  it('is the same whatever the inputs and outputs are called', () => {
    const other = input('other', [2, 3]);
    expect(lowerToStableHlo({ outputs: { z: add(other, other) } }, { precision: 'f32' }).text).toBe(
      lowerToStableHlo({ outputs: { y: add(x, x) } }, { precision: 'f32' }).text,
    );
  });

  it('says what products take', () => {
    expect(text('f32')).toContain('#stablehlo<precision HIGHEST>');
    expect(text('tf32')).toContain('#stablehlo<precision DEFAULT>');
    expect(text('bf16')).toContain('(tensor<2x3xbf16>, tensor<2x3xbf16>) -> tensor<2x2xbf16>');
  });

  it('computes the gradient of a weight, a sum over the batch, to f32', () => {
    const weight = input('w', [4, 3]);
    const [gradient] = gradients(sumOfAll(linear(x, weight, null, 'layer')), [weight]);
    const { text } = lowerToStableHlo({ outputs: { gradient } }, { precision: 'bf16' });
    expect(text).toMatch(/dot_general.*xbf16>\) -> tensor<4x3xf32>/);
  });

  it('leaves all but products in f32', () => {
    expect(lowerToStableHlo({ outputs: { y: softmax(x) } }, { precision: 'bf16' }).text).not.toContain('bf16');
  });

  it('writes a value once, however often it is asked for', () => {
    expect(lowerToStableHlo({ outputs: { y: add(scale(x, 3), scale(x, 3)) } }, { precision: 'f32' }).text).toMatch(
      /^(?:(?!multiply)[\s\S])*multiply(?:(?!multiply)[\s\S])*$/,
    );
  });

  it('tells which output takes over the memory of an input', () => {
    expect(text('f32', { x: 'x' })).toContain('%arg0: tensor<2x3xf32> {tf.aliasing_output = 1 : i32}');
    expect(text('f32')).not.toContain('aliasing');
  });
});

describe.skipIf(withoutXla !== null)(`the xla engine${skipNote(withoutXla)}`, () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createTestXlaEngine();
  });
  afterAll(() => engine.dispose());
  const vector = (...values: number[]) => floats(Float32Array.from(values), [values.length]);

  it('computes in f32 on a CPU unless asked', () => {
    expect([engine.name, engine.precision]).toEqual(['xla', 'f32']);
  });

  it.each([
    ['f32', 0, 1e-6],
    ['tf32', 0, 1e-3],
    ['bf16', 1e-4, 1e-2],
  ] as const)('rounds products of %s by more than %f and less than %f', async (precision, least, most) => {
    const source = random(1);
    const [M, K, N] = [16, 64, 8];
    const values = (size: number) => Float32Array.from({ length: size }, () => source.normal());
    const [a, b] = [values(M * K), values(K * N)];
    const exact = Array.from({ length: M * N }, (_, i) =>
      Array.from({ length: K }, (_, k) => a[Math.floor(i / N) * K + k] * b[k * N + (i % N)]).reduce((x, y) => x + y),
    );
    const other = await createTestXlaEngine({ precision });
    const { y } = await evaluate(
      other,
      { outputs: { y: gemm(input('a', [M, K]), input('b', [K, N]), null) } },
      { a: floats(a, [M, K]), b: floats(b, [K, N]) },
    );
    await other.dispose();
    const error = relativeError(y.data, exact);
    expect(error).toBeGreaterThanOrEqual(least);
    expect(error).toBeLessThan(most);
  });

  it('lets inputs be disposed of while a run is under way', async () => {
    const program = await engine.compile({ outputs: { y: scale(input('x', [3]), 2) } });
    const runs = Array.from({ length: 20 }, async (_, i) => {
      const given = engine.upload(vector(i, 2 * i, 3 * i));
      const running = program.run({ x: given });
      given.dispose();
      return [...(await (await running).y.read())];
    });
    expect(await Promise.all(runs)).toEqual(runs.map((_, i) => [2 * i, 4 * i, 6 * i]));
    await program.dispose();
  });

  it('refuses to read what was donated', async () => {
    const program = await engine.compile({ outputs: { x: scale(input('x', [3]), 2) } }, { donated: { x: 'x' } });
    const given = engine.upload(vector(1, 2, 3));
    const { x } = await program.run({ x: given });
    expect([...(await x.read())]).toEqual([2, 4, 6]);
    await expect(given.read()).rejects.toThrow(/donated|deleted/);
    await program.dispose();
  });

  it('waits for what is under way before it ends', async () => {
    const other = await createTestXlaEngine();
    const compiling = other.compile({ outputs: { y: softmax(input('x', [64, 64])) } });
    await other.dispose();
    const program = await compiling;
    await expect(program.run({})).rejects.toThrow('xla: input x is missing');
    await program.dispose();
    await expect(other.compile({ outputs: { y: input('x', [3]) } })).rejects.toThrow('the engine is closed');
  });
});
