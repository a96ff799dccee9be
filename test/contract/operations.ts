/**
 * Every function of cli/graph/ops that makes nodes, with the shapes to try and what it should compute, entry by entry.
 */
import type { Node, Shape } from '../../cli/graph/graph.ts';
import {
  geluTanh,
  hardSwish,
  leakyRelu,
  mish,
  quickGelu,
  relu6,
  reluSquared,
  silu,
} from '../../cli/graph/ops/activations.ts';
import { attention } from '../../cli/graph/ops/attention.ts';
import { add, divide, maximum, minimum, multiply, scale, subtract } from '../../cli/graph/ops/binary.ts';
import { broadcastTo } from '../../cli/graph/ops/broadcast.ts';
import { concat } from '../../cli/graph/ops/concat.ts';
import { crossEntropy, oneHot } from '../../cli/graph/ops/cross-entropy.ts';
import { embedding, lowRankEmbedding, positionEmbedding } from '../../cli/graph/ops/embedding.ts';
import { fakeQuantizeInt4, fakeQuantizeRows, fakeQuantizeWeight } from '../../cli/graph/ops/fake-quantize.ts';
import { gather, scatterAdd } from '../../cli/graph/ops/gather.ts';
import { gelu } from '../../cli/graph/ops/gelu.ts';
import { gemm } from '../../cli/graph/ops/gemm.ts';
import { inverseStd, layerNorm, standardize } from '../../cli/graph/ops/layer-norm.ts';
import { constant, input, scalar } from '../../cli/graph/ops/leaf.ts';
import { linear, lowRankLinear, updatedLinear, upLinear } from '../../cli/graph/ops/linear.ts';
import { matmul } from '../../cli/graph/ops/matmul.ts';
import { meanSquaredError } from '../../cli/graph/ops/mean-squared-error.ts';
import { cast, normalizePictures } from '../../cli/graph/ops/normalize-pictures.ts';
import { largest, least, mean, meanOfAll, sum, sumOfAll, sumTo } from '../../cli/graph/ops/reduce.ts';
import { relu } from '../../cli/graph/ops/relu.ts';
import { flatten, reshape } from '../../cli/graph/ops/reshape.ts';
import { binaryCrossEntropy, sigmoidCrossEntropy } from '../../cli/graph/ops/sigmoid-cross-entropy.ts';
import { pad, slice } from '../../cli/graph/ops/slice.ts';
import { logSoftmax, softmax } from '../../cli/graph/ops/softmax.ts';
import { transpose } from '../../cli/graph/ops/transpose.ts';
import { erf, exp, floor, log, negate, sigmoid, sqrt, tanh } from '../../cli/graph/ops/unary.ts';
import { addPositions, meanTokens, padTokens, patchify, selectToken, tokens } from '../../cli/graph/ops/vision.ts';
import {
  at,
  erf as erfOf,
  type Index,
  rowOf,
  softmaxOf,
  statisticsOf,
  sumOver,
  type Tensor,
  tensor,
} from '../support/reference.ts';

/** An input of a case: values around 0, values from `from` to `to`, labels below `classes`, bytes, or a mask. */
export interface Drawn {
  readonly shape: Shape;
  readonly from?: number;
  readonly to?: number;
  readonly classes?: number;
  readonly bytes?: true;
  /** Rows of ones, at least one, with zeros behind them. */
  readonly mask?: true;
}

export interface Case {
  /** The exported function. */
  readonly operation: string;
  readonly what: string;
  readonly inputs: readonly Drawn[];
  readonly build: (...inputs: Node[]) => Node;
  /** The shape that should come out, and each of its entries. */
  readonly shape: Shape;
  readonly entry: (index: Index, ...inputs: Tensor[]) => number;
  /** What gradients() is to be the derivative of, where that is not the value itself: straight through. */
  readonly differentiated?: (index: Index, ...inputs: Tensor[]) => number;
  /** Whether gradients() goes through it; true unless said. */
  readonly differentiable?: boolean;
}

/** Exported by cli/graph/ops, but making no nodes of their own: those of attention are held to transformers in report/. */
export const HELPERS = ['broadcastShape', 'inputName', 'attentionsOf', 'attentionProbabilities'];

/** ImageNet's, whose channels differ. */
const NORMALIZATION = { rescaleFactor: 1 / 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const;

const shown = (...shapes: Shape[]): string => shapes.map((shape) => `(${shape.join(', ')})`).join(' ');

// ---- element by element ----

function binary(
  operation: string,
  build: (a: Node, b: Node) => Node,
  entry: (a: number, b: number) => number,
  differentiable = true,
): Case[] {
  const shapes: [Shape, Shape, Shape][] = [
    [[], [], []],
    [[1], [1], [1]],
    [[17], [17], [17]],
    [
      [3, 5],
      [3, 5],
      [3, 5],
    ],
    [[3, 5], [5], [3, 5]],
    [[3, 5], [], [3, 5]],
    [
      [3, 1],
      [1, 5],
      [3, 5],
    ],
    [[5], [2, 3, 1], [2, 3, 5]],
    [
      [2, 1, 3, 1],
      [17, 1, 5],
      [2, 17, 3, 5],
    ],
  ];
  return shapes.map(([a, b, shape]) => ({
    operation,
    what: shown(a, b),
    inputs: [{ shape: a }, { shape: b, from: 0.5, to: 2 }],
    build,
    shape,
    differentiable,
    entry: (index, x, y) => entry(at(x, ...index), at(y, ...index)),
  }));
}

function unary(
  operation: string,
  build: (x: Node) => Node,
  entry: (x: number) => number,
  range: { from?: number; to?: number } = {},
  differentiable = true,
): Case[] {
  return [[], [1], [17], [3, 5], [2, 3, 1, 5]].map((shape) => ({
    operation,
    what: shown(shape),
    inputs: [{ shape, ...range }],
    build,
    shape,
    differentiable,
    entry: (index, x) => entry(at(x, ...index)),
  }));
}

const logistic = (x: number): number => 1 / (1 + Math.exp(-x));

const elementwise: Case[] = [
  ...binary('add', add, (a, b) => a + b),
  ...binary('subtract', subtract, (a, b) => a - b),
  ...binary('multiply', multiply, (a, b) => a * b),
  ...binary('divide', divide, (a, b) => a / b),
  ...binary('minimum', minimum, Math.min, false),
  ...binary('maximum', maximum, Math.max, false),
  ...unary('negate', negate, (x) => -x),
  ...unary('exp', exp, Math.exp),
  ...unary('log', log, Math.log, { from: 0.1, to: 4 }),
  ...unary('sqrt', sqrt, Math.sqrt, { from: 0.1, to: 4 }),
  ...unary('erf', erf, erfOf, { from: -3, to: 3 }),
  ...unary('tanh', tanh, Math.tanh, { from: -3, to: 3 }),
  ...unary('gelu', gelu, (x) => (x * (1 + erfOf(x / Math.SQRT2))) / 2, { from: -4, to: 4 }),
  // Not at 0, where it has no derivative.
  ...unary('relu', relu, (x) => x, { from: 0.1, to: 4 }),
  ...unary('relu', relu, () => 0, { from: -4, to: -0.1 }),
  ...unary('floor', floor, Math.floor, { from: -9, to: 9 }, false),
  ...unary('sigmoid', sigmoid, logistic, { from: -4, to: 4 }),
  ...unary('silu', silu, (x) => x * logistic(x), { from: -4, to: 4 }),
  ...unary('quickGelu', quickGelu, (x) => x * logistic(1.702 * x), { from: -4, to: 4 }),
  ...unary('geluTanh', geluTanh, (x) => (x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))) / 2, {
    from: -4,
    to: 4,
  }),
  ...unary('mish', mish, (x) => x * Math.tanh(Math.log(1 + Math.exp(x))), { from: -4, to: 4 }),
  // Within each of their straight pieces.
  ...unary('relu6', relu6, () => 0, { from: -4, to: -0.1 }),
  ...unary('relu6', relu6, (x) => x, { from: 0.1, to: 5.9 }),
  ...unary('relu6', relu6, () => 6, { from: 6.1, to: 8 }),
  ...unary('reluSquared', reluSquared, (x) => x * x, { from: 0.1, to: 4 }),
  ...unary('reluSquared', reluSquared, () => 0, { from: -4, to: -0.1 }),
  ...unary('leakyRelu', leakyRelu, (x) => x, { from: 0.1, to: 4 }),
  ...unary('leakyRelu', leakyRelu, (x) => x / 100, { from: -4, to: -0.1 }),
  ...unary('hardSwish', hardSwish, () => 0, { from: -8, to: -3.1 }),
  ...unary('hardSwish', hardSwish, (x) => (x * (x + 3)) / 6, { from: -2.9, to: 2.9 }),
  ...unary('hardSwish', hardSwish, (x) => x, { from: 3.1, to: 8 }),
  ...unary(
    'scale',
    (x) => scale(x, -2.5),
    (x) => -2.5 * x,
  ),
  ...unary(
    'scale',
    (x) => scale(x, 1),
    (x) => x,
  ),
];

// ---- the same elements, elsewhere ----

const moved: Case[] = [
  ...(
    [
      [[5], [3, 5]],
      [
        [3, 1],
        [3, 17],
      ],
      [[], [2, 3]],
      [
        [1, 3, 1],
        [2, 3, 5],
      ],
      [
        [3, 5],
        [3, 5],
      ],
    ] as [Shape, Shape][]
  ).map(
    ([from, shape]): Case => ({
      operation: 'broadcastTo',
      what: `${shown(from)} to ${shown(shape)}`,
      inputs: [{ shape: from }],
      shape,
      build: (x) => broadcastTo(x, shape),
      entry: (index, x) => at(x, ...index),
    }),
  ),
  ...(
    [
      [
        [3, 4],
        [2, 6],
      ],
      [[1], []],
      [[], [1, 1]],
      [[17], [17]],
      [
        [2, 3, 5],
        [5, 6],
      ],
    ] as [Shape, Shape][]
  ).map(
    ([from, shape]): Case => ({
      operation: 'reshape',
      what: `${shown(from)} to ${shown(shape)}`,
      inputs: [{ shape: from }],
      shape,
      build: (x) => reshape(x, shape),
      entry: (index, x) => x.data[index.reduce((flat, i, axis) => flat * shape[axis] + i, 0)],
    }),
  ),
  {
    operation: 'flatten',
    what: '(3, 5)',
    inputs: [{ shape: [3, 5] }],
    shape: [15],
    build: flatten,
    entry: ([i], x) => x.data[i],
  },
  ...(
    [
      [
        [3, 5],
        [1, 0],
      ],
      [
        [2, 3, 5],
        [2, 0, 1],
      ],
      [
        [2, 1, 3, 5],
        [0, 2, 1, 3],
      ],
      [[17], [0]],
    ] as [Shape, number[]][]
  ).map(
    ([from, permutation]): Case => ({
      operation: 'transpose',
      what: `${shown(from)} by ${permutation.join(', ')}`,
      inputs: [{ shape: from }],
      shape: permutation.map((axis) => from[axis]),
      build: (x) => transpose(x, permutation),
      entry: (index, x) => at(x, ...from.map((_, axis) => index[permutation.indexOf(axis)])),
    }),
  ),
  ...(
    [
      [[17], 0, 3, 5],
      [[3, 5], 1, 4, 1],
      [[3, 5], 0, 0, 3],
      [[2, 17, 3], 1, 16, 1],
    ] as [Shape, number, number, number][]
  ).map(
    ([from, axis, start, size]): Case => ({
      operation: 'slice',
      what: `${shown(from)} axis ${axis}, ${size} from ${start}`,
      inputs: [{ shape: from }],
      shape: from.map((n, i) => (i === axis ? size : n)),
      build: (x) => slice(x, axis, start, size),
      entry: (index, x) => at(x, ...index.map((i, k) => (k === axis ? i + start : i))),
    }),
  ),
  ...(
    [
      [[5], 0, 2, 0],
      [[3, 5], 1, 0, 1],
      [[2, 3, 1], 1, 1, 3],
      [[3], 0, 0, 0],
    ] as [Shape, number, number, number][]
  ).map(
    ([from, axis, before, after]): Case => ({
      operation: 'pad',
      what: `${shown(from)} axis ${axis}, ${before} before and ${after} after`,
      inputs: [{ shape: from }],
      shape: from.map((n, i) => (i === axis ? before + n + after : n)),
      build: (x) => pad(x, axis, before, after),
      entry: (index, x) => {
        const i = index[axis] - before;
        return i < 0 || i >= from[axis] ? 0 : at(x, ...index.map((old, k) => (k === axis ? i : old)));
      },
    }),
  ),
  {
    operation: 'concat',
    what: 'one tensor',
    inputs: [{ shape: [3] }],
    shape: [3],
    build: (x) => concat([x], 0),
    entry: ([i], x) => at(x, i),
  },
  {
    operation: 'concat',
    what: 'three on the last axis',
    inputs: [{ shape: [3, 1] }, { shape: [3, 5] }, { shape: [3, 2] }],
    shape: [3, 8],
    build: (a, b, c) => concat([a, b, c], 1),
    entry: ([i, j], a, b, c) => (j < 1 ? at(a, i, j) : j < 6 ? at(b, i, j - 1) : at(c, i, j - 6)),
  },
  {
    operation: 'concat',
    what: 'two on the middle axis',
    inputs: [{ shape: [2, 1, 3] }, { shape: [2, 17, 3] }],
    shape: [2, 18, 3],
    build: (a, b) => concat([a, b], 1),
    entry: ([i, j, k], a, b) => (j < 1 ? at(a, i, j, k) : at(b, i, j - 1, k)),
  },
];

// ---- sums ----

const reductions: Case[] = [
  ...(
    [
      ['least', least, Math.min],
      ['largest', largest, Math.max],
    ] as const
  ).flatMap(([operation, build, of]) =>
    (
      [
        [[17], [0]],
        [[3, 5], [1]],
        [
          [2, 3, 5],
          [0, 2],
        ],
        [[3, 1], [1]],
      ] as [Shape, number[]][]
    ).map(
      ([from, axes]): Case => ({
        operation,
        what: `${shown(from)} over ${axes.join(', ')}`,
        inputs: [{ shape: from }],
        shape: from.map((n, axis) => (axes.includes(axis) ? 1 : n)),
        build: (x) => build(x, axes),
        entry: (index, x) => of(...valuesOver(x, index, axes)),
        differentiable: false,
      }),
    ),
  ),
  ...(
    [
      ['sum', sum, () => 1],
      ['mean', mean, (count: number) => 1 / count],
    ] as const
  ).flatMap(([operation, build, factor]) =>
    (
      [
        [[17], [0]],
        [[3, 5], [0]],
        [[3, 5], [1]],
        [
          [2, 3, 5],
          [0, 2],
        ],
        [[3, 1], [1]],
        [[3, 5], []],
      ] as [Shape, number[]][]
    ).map(
      ([from, axes]): Case => ({
        operation,
        what: `${shown(from)} over ${axes.join(', ')}`,
        inputs: [{ shape: from }],
        shape: from.map((n, axis) => (axes.includes(axis) ? 1 : n)),
        build: (x) => build(x, axes),
        entry: (index, x) => factor(axes.reduce((n, axis) => n * from[axis], 1)) * total(x, index, axes),
      }),
    ),
  ),
  {
    operation: 'sumOfAll',
    what: '(2, 3, 5)',
    inputs: [{ shape: [2, 3, 5] }],
    shape: [],
    build: sumOfAll,
    entry: (_, x) => sumOver(30, (i) => x.data[i]),
  },
  {
    operation: 'meanOfAll',
    what: '(3, 17)',
    inputs: [{ shape: [3, 17] }],
    shape: [],
    build: meanOfAll,
    entry: (_, x) => sumOver(51, (i) => x.data[i]) / 51,
  },
  {
    operation: 'sumTo',
    what: '(3, 5) to (5)',
    inputs: [{ shape: [3, 5] }],
    shape: [5],
    build: (x) => sumTo(x, [5]),
    entry: ([j], x) => total(x, [0, j], [0]),
  },
  {
    operation: 'sumTo',
    what: '(2, 3, 5) to (3, 1)',
    inputs: [{ shape: [2, 3, 5] }],
    shape: [3, 1],
    build: (x) => sumTo(x, [3, 1]),
    entry: ([i], x) => total(x, [0, i, 0], [0, 2]),
  },
  {
    operation: 'sumTo',
    what: '(3) to (3)',
    inputs: [{ shape: [3] }],
    shape: [3],
    build: (x) => sumTo(x, [3]),
    entry: ([i], x) => at(x, i),
  },
];

/** The sum over `axes` of the entries that agree with `index` on the others. */
function total(x: Tensor, index: Index, axes: readonly number[]): number {
  return valuesOver(x, index, axes).reduce((sum, value) => sum + value, 0);
}

/** The entries that agree with `index` on all but `axes`. */
function valuesOver(x: Tensor, index: Index, axes: readonly number[]): number[] {
  const [axis, ...rest] = axes;
  if (axis === undefined) return [at(x, ...index)];
  return Array.from({ length: x.shape[axis] }, (_, i) => valuesOver(x, index.with(axis, i), rest)).flat();
}

// ---- what int8 leaves ----

const f32 = Math.fround;

/** 7 bits from the row's least value to its largest, 0 among them, in f32 as the runtime has it. */
function sevenBits(row: readonly number[], value: number): number {
  const low = Math.min(0, ...row);
  const range = f32(Math.max(0, ...row) - low);
  if (range === 0) return 0;
  const inverse = f32(127 / range);
  const zero = Math.round(f32(-low * inverse));
  return (Math.min(127, Math.round(f32(value * inverse)) + zero) - zero) * f32(range / 127);
}

function int8(row: readonly number[], value: number): number {
  const step = Math.max(...row.map(Math.abs)) / 127;
  return step === 0 ? 0 : Math.round(value / step) * step;
}

/** Of groups of 32 the value of largest size is nearly -8 steps, each a whole multiple of the row's largest / 120. */
function int4(row: readonly number[], value: number, column: number): number {
  const group = row.slice(column - (column % 32), column - (column % 32) + 32);
  const sizeOf = (values: readonly number[]): number => Math.max(...values.map(Math.abs));
  const scale = sizeOf(row) / 120;
  if (scale === 0) return 0;
  const factor = Math.min(15, Math.max(1, Math.round(sizeOf(group) / (8 * scale))));
  const step = (Math.max(...group) >= -Math.min(...group) ? -1 : 1) * factor * scale;
  return Math.min(7, Math.max(-8, Math.round(value / step))) * step;
}

const quantized: Case[] = (
  [
    ['fakeQuantizeRows', fakeQuantizeRows, sevenBits],
    ['fakeQuantizeWeight', fakeQuantizeWeight, int8],
    ['fakeQuantizeInt4', fakeQuantizeInt4, int4],
  ] as const
).flatMap(([operation, build, value]) =>
  [
    { shape: [3, 5] },
    { shape: [1, 1] },
    { shape: [17, 33] },
    { shape: [2, 96] },
    { shape: [2, 9], from: 1, to: 2 },
  ].map(
    (drawn): Case => ({
      operation,
      what: `${shown(drawn.shape)}${'from' in drawn ? ' above 0' : ''}`,
      inputs: [drawn],
      shape: drawn.shape,
      build,
      entry: ([i, j], x) => value(rowOf(x, [i]), at(x, i, j), j),
      differentiated: (index, x) => at(x, ...index),
    }),
  ),
);
const rounding: Case[] = [
  ...quantized,
  ...quantized
    .filter(({ what }) => what === '(3, 5)')
    .map(
      (given): Case => ({
        ...given,
        what: 'rows of zeros',
        inputs: [{ shape: [3, 5], from: 0, to: 0 }],
        entry: () => 0,
      }),
    ),
];

// ---- matrix products ----

function gemmCase(
  M: number,
  K: number,
  N: number,
  transA: boolean,
  transB: boolean,
  alpha: number,
  addend: Shape | null,
): Case {
  const a = transA ? [K, M] : [M, K];
  const b = transB ? [N, K] : [K, N];
  return {
    operation: 'gemm',
    what:
      `${shown(a)}${transA ? 'ᵀ' : ''} ${shown(b)}${transB ? 'ᵀ' : ''}, ` +
      `alpha ${alpha}, addend ${addend ? shown(addend) : 'none'}`,
    inputs: [{ shape: a }, { shape: b }, ...(addend ? [{ shape: addend }] : [])],
    shape: [M, N],
    build: (x, y, c) => gemm(x, y, c ?? null, { transA, transB, alpha }),
    entry: ([i, j], x, y, c) =>
      alpha * sumOver(K, (k) => (transA ? at(x, k, i) : at(x, i, k)) * (transB ? at(y, j, k) : at(y, k, j))) +
      (c ? at(c, i, j) : 0),
  };
}

function matmulCase(leading: Shape, M: number, K: number, N: number, transB: boolean): Case {
  const a = [...leading, M, K];
  const b = [...leading, ...(transB ? [N, K] : [K, N])];
  return {
    operation: 'matmul',
    what: `${shown(a)} ${shown(b)}${transB ? 'ᵀ' : ''}`,
    inputs: [{ shape: a }, { shape: b }],
    shape: [...leading, M, N],
    build: (x, y) => matmul(x, y, { transB }),
    entry(index, x, y) {
      const stack = index.slice(0, -2);
      const [i, j] = index.slice(-2);
      return sumOver(K, (k) => at(x, ...stack, i, k) * (transB ? at(y, ...stack, j, k) : at(y, ...stack, k, j)));
    },
  };
}

const linearEntry = ([i, j]: Index, x: Tensor, weight: Tensor, bias: Tensor): number =>
  sumOver(x.shape[1], (k) => at(x, i, k) * at(weight, j, k)) + at(bias, j);

const products: Case[] = [
  ...[false, true].flatMap((transA) =>
    [false, true].flatMap((transB) => [
      gemmCase(3, 5, 2, transA, transB, 1, null),
      gemmCase(5, 17, 3, transA, transB, -0.7, [3]),
    ]),
  ),
  gemmCase(1, 1, 1, false, false, 2, [1]),
  gemmCase(3, 17, 5, false, true, 1, [3, 5]),
  gemmCase(5, 1, 17, true, false, 0.3, [5, 17]),
  gemmCase(1, 3, 5, false, false, 1, [5]),
  ...[false, true].flatMap((transB) => [
    matmulCase([], 3, 5, 17, transB),
    matmulCase([3], 1, 17, 5, transB),
    matmulCase([2, 3], 5, 3, 4, transB),
    matmulCase([1, 1], 1, 1, 1, transB),
  ]),
  ...(
    [
      [1, 1, 1],
      [3, 5, 17],
      [17, 3, 1],
    ] as const
  ).map(
    ([rows, width, out]): Case => ({
      operation: 'linear',
      what: `${rows} rows, ${width} to ${out}`,
      inputs: [{ shape: [rows, width] }, { shape: [out, width] }, { shape: [out] }],
      shape: [rows, out],
      build: (x, w, b) => linear(x, w, b, 'layer'),
      entry: linearEntry,
    }),
  ),
  ...(
    [
      [1, 3, 1, 5, 1],
      [3, 17, 5, 3, 0.5],
      [5, 5, 3, 17, 2],
    ] as const
  ).map(
    ([rows, width, r, out, scaling]): Case => ({
      operation: 'lowRankLinear',
      what: `${rows} rows, ${width} to ${out}, r = ${r}, s = ${scaling}`,
      inputs: [{ shape: [rows, width] }, { shape: [r, width] }, { shape: [out, r] }, { shape: [out] }],
      shape: [rows, out],
      build: (x, a, b, c) => lowRankLinear(x, a, b, c, scaling, 'layer'),
      entry: ([i, j], x, a, b, c) =>
        scaling * sumOver(r, (k) => at(b, j, k) * sumOver(width, (n) => at(a, k, n) * at(x, i, n))) + at(c, j),
    }),
  ),
  ...(
    [
      [1, 3, 1, 5, 1],
      [3, 17, 5, 3, 0.5],
      [5, 5, 3, 17, 2],
    ] as const
  ).map(
    ([rows, , r, out, scaling]): Case => ({
      operation: 'upLinear',
      what: `as a second factor: ${rows} rows, ${r} to ${out}, s = ${scaling}`,
      inputs: [[rows, r], [out, r], [out]].map((shape) => ({ shape })),
      shape: [rows, out],
      build: (down, b, c) => upLinear(down, b, c, scaling, 'layer'),
      entry: ([i, j], down, b, c) => scaling * sumOver(r, (k) => at(b, j, k) * at(down, i, k)) + at(c, j),
    }),
  ),
  ...(
    [
      [1, 3, 1, 5, 1],
      [3, 17, 5, 3, 0.5],
      [5, 5, 3, 17, 2],
    ] as const
  ).map(
    ([rows, width, r, out, scaling]): Case => ({
      operation: 'updatedLinear',
      what: `${rows} rows, ${width} to ${out}, r = ${r}, s = ${scaling}`,
      inputs: [[rows, width], [out, width], [out], [r, width], [out, r]].map((shape) => ({ shape })),
      shape: [rows, out],
      build: (x, f, bias, a, b) => updatedLinear(x, f, bias, a, b, scaling, 'layer'),
      entry: ([i, j], x, f, bias, a, b) =>
        sumOver(width, (n) => at(x, i, n) * (at(f, j, n) + scaling * sumOver(r, (k) => at(b, j, k) * at(a, k, n)))) +
        at(bias, j),
    }),
  ),
];

// ---- rows: norms, softmax, losses ----

const EPSILON = 1e-3;
const ROWS: Shape[] = [[1], [17], [3, 5], [2, 3, 5], [3, 1]];

const rows: Case[] = [
  ...ROWS.flatMap((shape): Case[] => {
    const inputs = [{ shape }];
    const statistics = (index: Index, x: Tensor) => statisticsOf(rowOf(x, index.slice(0, -1)), EPSILON);
    const standardized = (index: Index, x: Tensor): number => {
      const { mean: centre, invStd } = statistics(index, x);
      return (at(x, ...index) - centre) * invStd;
    };
    const width = shape.slice(-1);
    const what = shown(shape);
    return [
      {
        operation: 'softmax',
        what,
        inputs,
        shape,
        build: softmax,
        entry: (index, x) => softmaxOf(rowOf(x, index.slice(0, -1)))[index[index.length - 1]],
      },
      {
        operation: 'logSoftmax',
        what,
        inputs,
        shape,
        build: logSoftmax,
        entry: (index, x) => Math.log(softmaxOf(rowOf(x, index.slice(0, -1)))[index[index.length - 1]]),
      },
      { operation: 'standardize', what, inputs, shape, build: (x) => standardize(x, EPSILON), entry: standardized },
      {
        operation: 'inverseStd',
        what,
        inputs,
        shape: [...shape.slice(0, -1), 1],
        build: (x) => inverseStd(x, EPSILON),
        entry: (index, x) => statistics(index, x).invStd,
      },
      {
        operation: 'layerNorm',
        what,
        inputs: [{ shape }, { shape: width }, { shape: width }],
        shape,
        build: (x, gamma, beta) => layerNorm(x, gamma, beta, EPSILON),
        entry: (index, x, gamma, beta) =>
          at(gamma, ...index.slice(-1)) * standardized(index, x) + at(beta, ...index.slice(-1)),
      },
    ];
  }),
  {
    // No overflow. Its gradient is a difference of nearly equal numbers: float32 has no digits of it.
    operation: 'softmax',
    what: 'scores of ±200',
    inputs: [{ shape: [3, 5], from: -200, to: 200 }],
    shape: [3, 5],
    differentiable: false,
    build: softmax,
    entry: ([i, j], x) => softmaxOf(rowOf(x, [i]))[j],
  },
  ...(
    [
      [[3], 5],
      [[1], 1],
      [[2, 3], 17],
    ] as [Shape, number][]
  ).map(
    ([shape, classes]): Case => ({
      operation: 'oneHot',
      what: `${shown(shape)}, ${classes} classes`,
      inputs: [{ shape, classes }],
      shape: [...shape, classes],
      differentiable: false,
      build: (labels) => oneHot(labels, classes),
      entry: (index, labels) => (at(labels, ...index.slice(0, -1)) === index[index.length - 1] ? 1 : 0),
    }),
  ),
  ...(
    [
      [3, 5],
      [1, 3],
      [17, 2],
      [3, 1],
    ] as const
  ).map(
    ([batch, classes]): Case => ({
      operation: 'crossEntropy',
      what: `${batch} of ${classes} classes`,
      inputs: [{ shape: [batch, classes] }, { shape: [batch], classes }],
      shape: [],
      build: crossEntropy,
      entry: (_, logits, labels) =>
        -sumOver(batch, (i) => Math.log(softmaxOf(rowOf(logits, [i]))[at(labels, i)])) / batch,
    }),
  ),
  ...(
    [
      [3, 5],
      [17, 1],
    ] as const
  ).flatMap(([batch, outputs]): Case[] => {
    const inputs = [{ shape: [batch, outputs] }, { shape: [batch, outputs], from: 0, to: 1 }];
    const mean = (entry: (x: number, y: number) => number) => (_: Index, x: Tensor, y: Tensor) =>
      sumOver(batch, (i) => sumOver(outputs, (j) => entry(at(x, i, j), at(y, i, j)))) / (batch * outputs);
    const what = `${batch} of ${outputs} outputs`;
    return [
      {
        operation: 'sigmoidCrossEntropy',
        what,
        inputs,
        shape: [batch, outputs],
        build: sigmoidCrossEntropy,
        entry: (index, x, y) => crossEntropyOf(at(x, ...index), at(y, ...index)),
      },
      {
        operation: 'binaryCrossEntropy',
        what,
        inputs,
        shape: [],
        build: binaryCrossEntropy,
        entry: mean(crossEntropyOf),
      },
      {
        operation: 'meanSquaredError',
        what,
        inputs,
        shape: [],
        build: meanSquaredError,
        entry: mean((x, y) => (x - y) ** 2),
      },
    ];
  }),
  {
    // No overflow, and no infinity times 0.
    operation: 'sigmoidCrossEntropy',
    what: 'logits of ±200',
    inputs: [
      { shape: [4, 5], from: -200, to: 200 },
      { shape: [4, 5], from: 0, to: 1 },
    ],
    shape: [4, 5],
    differentiable: false,
    build: sigmoidCrossEntropy,
    entry: (index, x, y) => crossEntropyOf(at(x, ...index), at(y, ...index)),
  },
];

/** -y·log σ(x) - (1 - y)·log(1 - σ(x)) in f64; of large |x| one of the logarithms is 0 and the other ±x. */
function crossEntropyOf(x: number, y: number): number {
  const softplus = (value: number): number => (value > 30 ? value : Math.log1p(Math.exp(value)));
  return y * softplus(-x) + (1 - y) * softplus(x);
}

// ---- the encoder's own ----

interface AttentionCase {
  readonly batch: number;
  readonly T: number;
  readonly heads: number;
  readonly perHead: number;
  readonly masked?: boolean;
  readonly queries?: number;
  readonly keyHeads?: number;
  /** Of a head's value, where that isn't the key's. */
  readonly valueWidth?: number;
}

function attentionCase({ batch, T, heads, perHead, masked = false, ...others }: AttentionCase): Case {
  const { queries = T, keyHeads = heads, valueWidth = perHead } = others;
  const told = Object.entries(others).map(([name, value]) => `, ${name} ${value}`);
  return {
    operation: 'attention',
    what: `${batch} × ${T} tokens, ${heads} heads of ${perHead}${masked ? ', mask' : ''}${told.join('')}`,
    inputs: [
      { shape: [batch * queries, heads * perHead] },
      { shape: [batch * T, keyHeads * perHead] },
      { shape: [batch * T, keyHeads * valueWidth] },
      ...(masked ? [{ shape: [batch, T], mask: true as const }] : []),
    ],
    shape: [batch * queries, heads * valueWidth],
    build: (q, k, v, mask) => attention(q, k, v, mask ?? null, { batch, tokens: T, heads, queries, keyHeads }),
    entry([row, column], q, k, v, mask) {
      const sample = Math.floor(row / queries);
      const head = Math.floor(column / valueWidth);
      const keyHead = keyHeads === 1 ? 0 : head;
      const score = (token: number): number =>
        sumOver(perHead, (d) => at(q, row, head * perHead + d) * at(k, sample * T + token, keyHead * perHead + d)) /
        Math.sqrt(perHead);
      const tokens = mask ? sumOver(T, (token) => at(mask, sample, token)) : T;
      const weights = softmaxOf(Array.from({ length: tokens }, (_, token) => score(token)));
      const d = keyHead * valueWidth + (column % valueWidth);
      return sumOver(tokens, (token) => weights[token] * at(v, sample * T + token, d));
    },
  };
}

const encoder: Case[] = [
  attentionCase({ batch: 2, T: 3, heads: 2, perHead: 5 }),
  attentionCase({ batch: 1, T: 5, heads: 3, perHead: 1 }),
  attentionCase({ batch: 3, T: 1, heads: 1, perHead: 3 }),
  attentionCase({ batch: 2, T: 5, heads: 3, perHead: 2, masked: true }),
  attentionCase({ batch: 1, T: 17, heads: 1, perHead: 3, masked: true }),
  attentionCase({ batch: 2, T: 5, heads: 3, perHead: 2, queries: 1 }),
  attentionCase({ batch: 2, T: 3, heads: 2, perHead: 5, keyHeads: 1, valueWidth: 3 }),
  ...[[], [1], [17], [2, 3, 5]].map(
    (shape): Case => ({
      operation: 'cast',
      what: shown(shape),
      inputs: [{ shape, bytes: true }],
      shape,
      build: cast,
      entry: (index, x) => at(x, ...index),
      differentiable: false,
    }),
  ),
  ...(
    [
      [1, 1, 1],
      [2, 3, 5],
      [3, 17, 4],
    ] as const
  ).map(
    ([B, H, W]): Case => ({
      operation: 'normalizePictures',
      what: shown([B, H, W, 3]),
      inputs: [{ shape: [B, H, W, 3], bytes: true }],
      shape: [B, 3, H, W],
      build: (pictures) => normalizePictures(pictures, NORMALIZATION),
      entry: ([b, channel, y, x], pictures) =>
        (at(pictures, b, y, x, channel) * NORMALIZATION.rescaleFactor - NORMALIZATION.mean[channel]) /
        NORMALIZATION.std[channel],
      differentiable: false,
    }),
  ),
  ...(
    [
      [2, 3, 4, 6, 2],
      [1, 1, 5, 5, 5],
      [3, 2, 3, 1, 1],
    ] as const
  ).map(
    ([B, C, H, W, p]): Case => ({
      operation: 'patchify',
      what: `${shown([B, C, H, W])} in patches of ${p}`,
      inputs: [{ shape: [B, C, H, W] }],
      shape: [(B * H * W) / p ** 2, C * p * p],
      build: (pixels) => patchify(pixels, p),
      // Row: picture, then patches from left to right, top to bottom. Column: as Conv2d's weight, (C, p, p).
      entry([row, column], pixels) {
        const perPicture = (H * W) / p ** 2;
        const patch = row % perPicture;
        const y = Math.floor(patch / (W / p)) * p + (Math.floor(column / p) % p);
        const x = (patch % (W / p)) * p + (column % p);
        return at(pixels, Math.floor(row / perPicture), Math.floor(column / p ** 2), y, x);
      },
    }),
  ),
  ...(
    [
      [2, 3, 5, 1],
      [1, 1, 1, 1],
      [3, 4, 17, 1],
      [2, 4, 3, 2],
      [1, 6, 5, 3],
      [2, 3, 4, 5],
    ] as const
  ).map(
    ([batch, patches, width, C]): Case => ({
      operation: 'tokens',
      what: `${batch} × ${patches} patches of ${width}, ${C} before`,
      inputs: [{ shape: [batch * patches, width] }, { shape: [C * width] }, { shape: [patches + C, width] }],
      shape: [batch * (patches + C), width],
      build: tokens,
      entry([row, d], x, cls, position) {
        const sample = Math.floor(row / (patches + C));
        const token = row % (patches + C);
        return (
          (token < C ? cls.data[token * width + d] : at(x, sample * patches + token - C, d)) +
          position.data[token * width + d]
        );
      },
    }),
  ),
  ...(
    [
      [3, 5, 2, 0],
      [1, 3, 1, 2],
      [5, 1, 17, 0],
    ] as const
  ).flatMap(([batch, T, width, index]): Case[] => [
    {
      operation: 'selectToken',
      what: `token ${index} of ${batch} × ${T} of ${width}`,
      inputs: [{ shape: [batch * T, width] }],
      shape: [batch, width],
      build: (x) => selectToken(x, batch, index),
      entry: ([i, d], x) => at(x, i * T + index, d),
    },
    {
      operation: 'meanTokens',
      what: `from ${index} of ${batch} × ${T} of ${width}`,
      inputs: [{ shape: [batch * T, width] }],
      shape: [batch, width],
      build: (x) => meanTokens(x, batch, index, T - index),
      entry: ([i, d], x) => sumOver(T - index, (t) => at(x, i * T + index + t, d)) / (T - index),
    },
    {
      operation: 'addPositions',
      what: `${batch} × ${T} of ${width}`,
      inputs: [{ shape: [batch * T, width] }, { shape: [T, width] }],
      shape: [batch * T, width],
      build: addPositions,
      entry: ([row, d], x, position) => at(x, row, d) + at(position, row % T, d),
    },
    {
      operation: 'padTokens',
      what: `${batch} × ${T} of ${width} by ${index}`,
      inputs: [{ shape: [batch * T, width] }],
      shape: [batch * (T + index), width],
      build: (x) => padTokens(x, batch, T + index),
      entry([row, d], x) {
        const [sequence, token] = [Math.floor(row / (T + index)), row % (T + index)];
        return token < T ? at(x, sequence * T + token, d) : 0;
      },
    },
  ]),
];

// ---- tables and their rows ----

const lookups: Case[] = [
  ...(
    [
      [5, 3, 4],
      [1, 1, 1],
      [3, 17, 2],
      [100, 2, 17],
    ] as const
  ).flatMap(([rows, width, count]): Case[] => [
    {
      operation: 'gather',
      what: `${count} rows of ${shown([rows, width])}`,
      inputs: [{ shape: [rows, width] }, { shape: [count], classes: rows }],
      shape: [count, width],
      build: gather,
      entry: ([i, d], table, ids) => at(table, at(ids, i), d),
    },
    {
      operation: 'scatterAdd',
      what: `${count} rows into ${shown([rows, width])}`,
      inputs: [{ shape: [count, width] }, { shape: [count], classes: rows }],
      shape: [rows, width],
      build: (x, ids) => scatterAdd(x, ids, rows),
      entry: ([row, d], x, ids) => sumOver(count, (i) => (at(ids, i) === row ? at(x, i, d) : 0)),
    },
  ]),
  {
    operation: 'scatterAdd',
    what: '17 rows into one',
    inputs: [{ shape: [17, 3] }, { shape: [17], classes: 1 }],
    shape: [1, 3],
    build: (x, ids) => scatterAdd(x, ids, 1),
    entry: ([, d], x) => sumOver(17, (i) => at(x, i, d)),
  },
  ...(
    [
      [2, 3, 5],
      [1, 1, 1],
      [3, 5, 17],
    ] as const
  ).flatMap(([batch, T, width]): Case[] => [
    {
      operation: 'embedding',
      what: `${batch} × ${T} tokens of ${width}`,
      inputs: [{ shape: [11, width] }, { shape: [batch, T], classes: 11 }],
      shape: [batch * T, width],
      build: embedding,
      entry: ([row, d], table, ids) => at(table, at(ids, Math.floor(row / T), row % T), d),
    },
    {
      operation: 'positionEmbedding',
      what: `${batch} × ${T} tokens of ${width}`,
      inputs: [{ shape: [T + 2, width] }],
      shape: [batch * T, width],
      build: (table) => positionEmbedding(table, batch, T),
      entry: ([row, d], table) => at(table, row % T, d),
    },
    {
      operation: 'lowRankEmbedding',
      what: `${batch} × ${T} tokens of ${width} through 3`,
      inputs: [{ shape: [batch, T], classes: 11 }, { shape: [3, width] }, { shape: [11, 3] }],
      shape: [batch * T, width],
      build: (ids, loraA, loraB) => lowRankEmbedding(ids, loraA, loraB, 0.5, 'table'),
      entry: ([row, d], ids, loraA, loraB) =>
        0.5 * sumOver(3, (k) => at(loraB, at(ids, Math.floor(row / T), row % T), k) * at(loraA, k, d)),
    },
  ]),
];

// ---- values that come from nowhere ----

const fixed = tensor([3, 5], ([i, j]) => i - 0.5 * j);
const leaves: Case[] = [
  {
    operation: 'input',
    what: '(3, 5)',
    inputs: [{ shape: [3, 5] }],
    shape: [3, 5],
    build: (x) => x,
    entry: (index, x) => at(x, ...index),
  },
  {
    operation: 'input',
    what: 'integers',
    inputs: [{ shape: [17], classes: 100 }],
    shape: [17],
    build: (x) => x,
    entry: (index, x) => at(x, ...index),
    differentiable: false,
  },
  {
    operation: 'input',
    what: 'given twice',
    inputs: [{ shape: [3] }],
    shape: [3],
    build: (x) => add(x, input(String(x.attributes.name), [3])),
    entry: ([i], x) => 2 * at(x, i),
    differentiable: false,
  },
  {
    operation: 'constant',
    what: '(3, 5)',
    inputs: [],
    shape: [3, 5],
    build: () => constant(Float32Array.from(fixed.data), [3, 5]),
    entry: (index) => at(fixed, ...index),
    differentiable: false,
  },
  {
    operation: 'scalar',
    what: '0.1',
    inputs: [],
    shape: [],
    build: () => scalar(0.1),
    entry: () => 0.1,
    differentiable: false,
  },
];

export const CASES: readonly Case[] = [
  ...elementwise,
  ...moved,
  ...reductions,
  ...rounding,
  ...products,
  ...rows,
  ...encoder,
  ...lookups,
  ...leaves,
];
