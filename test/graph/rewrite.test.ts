import { describe, expect, it } from 'vitest';
import { evaluate, floats } from '../../cli/engines/engine.ts';
import { inputsOf } from '../../cli/graph/cost.ts';
import { add, multiply, subtract } from '../../cli/graph/ops/binary.ts';
import { input } from '../../cli/graph/ops/leaf.ts';
import { negate } from '../../cli/graph/ops/unary.ts';
import { rewrite } from '../../cli/graph/rewrite.ts';
import { onnxEngine } from '../support/engines.ts';

describe('rewrite', () => {
  const x = input('x', [3]);
  const y = input('y', [3]);

  it('replaces nodes below kept ones, with their inputs already replaced', async () => {
    // x - (x - y), twice: subtract becomes add of the negation, so the outer one sees the inner one's replacement.
    const graph = { outputs: { z: multiply(subtract(x, subtract(x, y)), y) } };
    const rewritten = rewrite(graph, ({ operation }, [a, b]) =>
      operation.name === 'subtract' ? add(a, negate(b)) : null,
    );
    const [product] = Object.values(rewritten.outputs);
    expect(product.operation.name).toBe('multiply');
    expect(product.inputs[0].operation.name).toBe('add');
    const feeds = { x: floats(Float32Array.of(1, 2, 3), [3]), y: floats(Float32Array.of(4, 5, 6), [3]) };
    const engine = await onnxEngine();
    expect([...(await evaluate(engine, rewritten, feeds)).z.data]).toEqual([
      ...(await evaluate(engine, graph, feeds)).z.data,
    ]);
  });

  it('keeps the nodes of what is not replaced, and shares replacements', () => {
    const sum = add(x, y);
    const kept = rewrite({ outputs: { sum } }, () => null);
    expect(kept.outputs.sum).toBe(sum);
    const { a, b } = rewrite({ outputs: { a: negate(sum), b: multiply(sum, y) } }, (node) =>
      node === sum ? subtract(x, y) : null,
    ).outputs;
    expect(a.inputs[0]).toBe(b.inputs[0]);
  });

  it('drops what only a replaced node needed', () => {
    const { outputs } = rewrite({ outputs: { z: add(x, y) } }, ({ operation }, [a]) =>
      operation.name === 'add' ? negate(a) : null,
    );
    expect(inputsOf({ outputs })).toEqual([x]);
  });
});
