/** What only a GPU can show. Skipped where there is none; `npm run bench:gpu` takes it to machines that have one. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from '../../cli/engines/create.ts';
import { type Engine, evaluate, floats, type HostTensor, OutOfMemoryError } from '../../cli/engines/engine.ts';
import { gradients } from '../../cli/graph/grad.ts';
import { attention } from '../../cli/graph/ops/attention.ts';
import { add, multiply, scale } from '../../cli/graph/ops/binary.ts';
import { constant, input } from '../../cli/graph/ops/leaf.ts';
import { sumOfAll } from '../../cli/graph/ops/reduce.ts';
import { random } from '../../runtime/random.ts';
import { skipNote } from '../contract/hosts/installed.ts';
import { relativeError } from '../support/compare.ts';
import { engineIo } from '../support/engines.ts';
import { createTestXlaEngine, withoutGpu } from '../support/xla.ts';

describe.skipIf(withoutGpu !== null)(`on a GPU${skipNote(withoutGpu)}`, { timeout: 300_000 }, () => {
  let bf16: Engine;
  let f32: Engine;
  beforeAll(async () => {
    f32 = await createTestXlaEngine({ precision: 'f32' });
    bf16 = await createTestXlaEngine();
  }, 300_000);
  afterAll(async () => {
    await bf16?.dispose();
    await f32?.dispose();
  });

  it('--device auto computes there, in bf16, with fused attention', async () => {
    const engine = await createEngine({ device: 'auto' }, engineIo);
    expect([engine.name, engine.precision]).toEqual(['xla', 'bf16']);
    expect(engine.description).toMatch(/^xla \((cuda|rocm): /);
    if (engine.description.includes('cuda')) expect(engine.description).toContain("cuDNN's attention");
    await engine.dispose();
  });

  it.each([
    ['of a ViT', { batch: 3, tokens: 197, heads: 12 }, false],
    ['of a BERT, padded', { batch: 5, tokens: 64, heads: 12 }, true],
    ['of few tokens', { batch: 2, tokens: 17, heads: 2 }, false],
  ])('attention %s has the values and gradients of f32, to the rounding of bf16', async (_, sizes, masked) => {
    const { batch, tokens, heads } = sizes;
    const shape = [batch * tokens, heads * 64];
    const source = random(1);
    const drawn = (of: readonly number[]): HostTensor =>
      floats(
        Float32Array.from({ length: of.reduce((a, b) => a * b) }, () => source.normal()),
        of,
      );
    const lengths = Array.from({ length: batch }, () => 1 + source.below(tokens));
    const mask = Float32Array.from({ length: batch * tokens }, (_, i) =>
      Number(i % tokens < lengths[Math.floor(i / tokens)]),
    );
    const [query, key, value] = ['query', 'key', 'value'].map((name) => input(name, shape));
    const mixed = attention(query, key, value, masked ? input('mask', [batch, tokens]) : null, sizes);
    const weights = constant(drawn(shape).data as Float32Array, shape);
    const [toQuery, toKey, toValue] = gradients(sumOfAll(multiply(mixed, weights)), [query, key, value]);
    const graph = { outputs: { mixed, toQuery, toKey, toValue } };
    const feeds = {
      ...Object.fromEntries(['query', 'key', 'value'].map((name) => [name, drawn(shape)])),
      mask: floats(mask, [batch, tokens]),
    };
    const [exact, rounded] = [await evaluate(f32, graph, feeds), await evaluate(bf16, graph, feeds)];
    for (const name of Object.keys(graph.outputs))
      expect(relativeError(rounded[name].data, exact[name].data), name).toBeLessThan(0.02);
  });

  it('tells how much memory is in use, and at most was', async () => {
    const before = f32.memoryUse?.();
    const tensor = f32.upload(floats(new Float32Array(2 ** 24), [2 ** 24]));
    await tensor.read();
    const after = f32.memoryUse?.();
    expect(after!.usedBytes - before!.usedBytes).toBeGreaterThanOrEqual(2 ** 26);
    expect(after!.peakBytes).toBeGreaterThanOrEqual(after!.usedBytes);
    expect(after!.limitBytes).toBeGreaterThan(after!.usedBytes);
    tensor.dispose();
  });

  it('says that it has no room, how much it would take, and goes on', async () => {
    const sides = [2 ** 19, 2 ** 20] as const;
    const [x, y] = [input('x', [sides[0], 1]), input('y', [1, sides[1]])];
    const program = await f32.compile({ outputs: { wide: add(x, y), narrow: scale(x, 2) } });
    const given = {
      x: f32.upload(floats(new Float32Array(sides[0]), x.shape)),
      y: f32.upload(floats(new Float32Array(sides[1]), y.shape)),
    };
    const failure = await program
      .run(given)
      .then(({ narrow }) => narrow.read())
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(OutOfMemoryError);
    expect((failure as OutOfMemoryError).neededBytes).toBeGreaterThan(4 * sides[0] * sides[1]);
    await program.dispose();
    const small = { x: floats(Float32Array.of(1), [1]), y: floats(Float32Array.of(2), [1]) };
    const { sum } = await evaluate(f32, { outputs: { sum: add(input('x', [1]), input('y', [1])) } }, small);
    expect([...sum.data]).toEqual([3]);
  });
});
