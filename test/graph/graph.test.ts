import { describe, expect, it } from 'vitest';
import { lowerToOnnx } from '../../cli/engines/onnx/lower.ts';
import { Model } from '../../cli/engines/onnx/schema.ts';
import { expansionOf, type Node, ShapeError, topological } from '../../cli/graph/graph.ts';
import { attention } from '../../cli/graph/ops/attention.ts';
import { add, multiply } from '../../cli/graph/ops/binary.ts';
import { broadcastTo } from '../../cli/graph/ops/broadcast.ts';
import { concat } from '../../cli/graph/ops/concat.ts';
import { oneHot } from '../../cli/graph/ops/cross-entropy.ts';
import { gelu } from '../../cli/graph/ops/gelu.ts';
import { gemm } from '../../cli/graph/ops/gemm.ts';
import { layerNorm, standardize } from '../../cli/graph/ops/layer-norm.ts';
import { constant, input } from '../../cli/graph/ops/leaf.ts';
import { linear, lowRankLinear } from '../../cli/graph/ops/linear.ts';
import { matmul } from '../../cli/graph/ops/matmul.ts';
import { sum, sumTo } from '../../cli/graph/ops/reduce.ts';
import { reshape } from '../../cli/graph/ops/reshape.ts';
import { pad, slice } from '../../cli/graph/ops/slice.ts';
import { softmax } from '../../cli/graph/ops/softmax.ts';
import { transpose } from '../../cli/graph/ops/transpose.ts';
import { exp } from '../../cli/graph/ops/unary.ts';
import { patchify, selectToken, tokens } from '../../cli/graph/ops/vision.ts';

const f = (...shape: number[]): Node => input('x', shape);
const i = (...shape: number[]): Node => input('n', shape, 'i32');

describe('shapes that do not fit', () => {
  const wrong: [message: string, make: () => Node][] = [
    ['add: expected two f32 tensors whose shapes broadcast, got f32(3, 5) and f32(4)', () => add(f(3, 5), f(4))],
    ['multiply: expected two f32 tensors whose shapes broadcast, got f32(3) and i32(3)', () => multiply(f(3), i(3))],
    ['exp: expected an f32 tensor, got i32(3)', () => exp(i(3))],
    ['gelu: expected an f32 tensor, got i32(3)', () => gelu(i(3))],
    ['softmax: expected an f32 tensor with at least one axis, got f32()', () => softmax(f())],
    ['broadcastTo: expected a shape that broadcasts to (2, 4), got f32(3)', () => broadcastTo(f(3), [2, 4])],
    ['broadcastTo: expected a shape that broadcasts to (1), got f32(3)', () => broadcastTo(f(3), [1])],
    [
      'concat: expected tensors that differ on axis 1 only, got f32(3, 5) and f32(4, 5)',
      () => concat([f(3, 5), f(4, 5)], 1),
    ],
    [
      'concat: expected tensors that differ on axis 2 only, got f32(3, 5) and f32(3, 5)',
      () => concat([f(3, 5), f(3, 5)], 2),
    ],
    ['oneHot: expected i32 labels, got f32(3)', () => oneHot(f(3), 5)],
    ['gemm: expected two matrices, got f32(3, 5) and f32(5)', () => gemm(f(3, 5), f(5), null)],
    [
      'gemm: expected inner sizes that agree (transA false, transB true), got f32(3, 5) and f32(5, 2)',
      () => gemm(f(3, 5), f(5, 2), null, { transB: true }),
    ],
    [
      'gemm: expected an addend of shape (2) or (3, 2), got f32(3, 5) and f32(5, 2) and f32(3)',
      () => gemm(f(3, 5), f(5, 2), f(3)),
    ],
    [
      'matmul: expected two stacks of matrices with the same leading axes, got f32(2, 3, 5) and f32(3, 5, 2)',
      () => matmul(f(2, 3, 5), f(3, 5, 2)),
    ],
    [
      'matmul: expected inner sizes that agree (transB false), got f32(2, 3, 5) and f32(2, 3, 5)',
      () => matmul(f(2, 3, 5), f(2, 3, 5)),
    ],
    [
      'linear: expected x (rows, in), weight (out, in), bias (out), got f32(3, 5) and f32(2, 4) and f32(2)',
      () => linear(f(3, 5), f(2, 4), f(2), 'l'),
    ],
    [
      'lowRankLinear: expected x (rows, in), loraA (r, in), loraB (out, r), loraC (out)',
      () => lowRankLinear(f(3, 5), f(2, 5), f(4, 3), f(4), 1, 'l'),
    ],
    [
      'layerNorm: expected gamma and beta of shape (5), got f32(3, 5) and f32(3) and f32(5)',
      () => layerNorm(f(3, 5), f(3), f(5), 1e-6),
    ],
    ['standardize: expected at least one axis, got f32()', () => standardize(f(), 1e-6)],
    ['sum: expected an f32 tensor with axes 2, got f32(3, 5)', () => sum(f(3, 5), [2])],
    ['sumTo: expected a tensor broadcast from (4), got f32(3, 5)', () => sumTo(f(3, 5), [4])],
    ['reshape: expected 8 elements for (2, 4), got f32(3, 3)', () => reshape(f(3, 3), [2, 4])],
    ['slice: expected at least 6 elements on axis 1, got f32(3, 5)', () => slice(f(3, 5), 1, 2, 4)],
    ['slice: expected at least 1 elements on axis 2, got f32(3, 5)', () => slice(f(3, 5), 2, 0, 1)],
    ['pad: expected an axis 2 and counts of zero or more, got f32(3, 5)', () => pad(f(3, 5), 2, 0, 1)],
    [
      'transpose: expected a tensor with 2 axes for the permutation 0, 0, got f32(3, 5)',
      () => transpose(f(3, 5), [0, 0]),
    ],
    [
      'attention: expected query, key, value (6, width), width divisible by 4 heads',
      () => attention(f(6, 10), f(6, 10), f(6, 10), null, { batch: 2, tokens: 3, heads: 4 }),
    ],
    [
      'attention: expected a mask of shape (2, 3)',
      () => attention(f(6, 8), f(6, 8), f(6, 8), f(2, 1, 1, 3), { batch: 2, tokens: 3, heads: 4 }),
    ],
    [
      'patchify: expected pixels (batch, channels, height, width) with sides divisible by 4, got f32(1, 3, 8, 6)',
      () => patchify(f(1, 3, 8, 6), 4),
    ],
    [
      'tokens: expected patches (B·N, D), cls (C·D), position (N + C, D), got f32(5, 8) and f32(8) and f32(5, 8)',
      () => tokens(f(5, 8), f(8), f(5, 8)),
    ],
    ['selectToken: expected rows of 2 sequences longer than 3, got f32(6, 8)', () => selectToken(f(6, 8), 2, 3)],
    ['constant: expected 6 values for shape (2, 3), got 5', () => constant(new Float32Array(5), [2, 3])],
  ];
  it.each(wrong)('%s', (message, make) => {
    expect(make).toThrow(ShapeError);
    expect(make).toThrow(message);
  });
});

describe('topological order', () => {
  it('puts every node once, after its inputs', () => {
    const x = f(3);
    const y = add(x, x);
    const z = multiply(y, x);
    expect(topological([z])).toEqual([x, y, z]);
    expect(topological([z, y, x])).toEqual([x, y, z]);
  });

  it('walks a graph of a hundred thousand nodes, and one with 2^1000 paths', () => {
    let chain = f(1);
    for (let step = 0; step < 100_000; step++) chain = exp(chain);
    expect(topological([chain])).toHaveLength(100_001);
    let doubled = f(1);
    for (let step = 0; step < 1000; step++) doubled = add(doubled, doubled);
    expect(topological([doubled])).toHaveLength(1001);
  });
});

it('expands a composite once, however often it is asked', () => {
  const node = linear(f(3, 5), f(2, 5), f(2), 'layer');
  expect(expansionOf(node)).toBe(expansionOf(node));
  expect(expansionOf(f(3))).toBeNull();
});

describe('the ONNX model of a graph', () => {
  const operators = (...outputs: Node[]): string[] => {
    const { bytes } = lowerToOnnx({ outputs: Object.fromEntries(outputs.map((node, k) => [`y${k}`, node])) });
    const { graph } = Model.toObject(Model.decode(bytes)) as { graph: { node: { opType: string }[] } };
    return graph.node.map(({ opType }) => opType);
  };

  it('leaves out what no output reaches', () => {
    const x = input('x', [3]);
    const unused = exp(add(x, input('unused', [3])));
    expect(unused.shape).toEqual([3]);
    const { inputs } = lowerToOnnx({ outputs: { y: multiply(x, x) } });
    expect(inputs).toEqual([x]);
    expect(operators(multiply(x, x))).toEqual(['Mul']);
  });

  it('computes a shared value once', () => {
    const shared = exp(f(3));
    expect(operators(add(shared, shared), multiply(shared, shared))).toEqual(['Exp', 'Add', 'Mul']);
  });

  it('copies an output only where it is an input or another output, also where a node reads it on', () => {
    const y = exp(f(3));
    expect(operators(y, multiply(y, y))).toEqual(['Exp', 'Mul']);
    expect(operators(y, y)).toEqual(['Exp', 'Identity']);
    expect(operators(f(3))).toEqual(['Identity']);
  });

  it('keeps fused kernels, and computes both halves of a layer norm with one', () => {
    expect(operators(gelu(f(3)))).toEqual(['Gelu']);
    expect(operators(layerNorm(f(3, 5), input('g', [5]), input('b', [5]), 1e-6))).toEqual(['LayerNormalization']);
    expect(operators(linear(f(3, 5), input('w', [2, 5]), input('b', [2]), 'layer'))).toEqual(['Gemm']);
  });

  it('refuses one input name with two shapes', () => {
    expect(() => lowerToOnnx({ outputs: { y: add(input('x', [3]), input('x', [])) } })).toThrow(
      'input x is both f32(3) and f32()',
    );
  });
});
