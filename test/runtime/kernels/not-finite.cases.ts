/**
 * A NaN or an infinity in an input must come out as NaN, through integers too: a wrong answer must not look like one.
 */
import type { Activation } from '../../../runtime/artifact/plan.ts';
import { columnBytes } from '../../../runtime/artifact/plan-memory.ts';
import { ACTIVATIONS, quantizedRowBytes } from '../../../runtime/artifact/steps.ts';
import { type AttentionShape, normalOperands, type Operands, runAttention } from './attention.cases.ts';
import {
  ACTIVATION_KERNELS,
  activationIndex,
  type KernelCase,
  normals,
  packedF32,
  packedI8,
  type Side,
} from './harness.ts';

/** Bits of f32: NaN with every bit of its payload too, as a stranger's file may hold it. */
const NAN = { NaN: 0x7fc00000, '-NaN': 0xffc00000, 'NaN of all ones': 0xffffffff };
const INFINITE = { Infinity: 0x7f800000, '-Infinity': 0xff800000 };
const NOT_FINITE: Readonly<Record<string, number>> = { ...NAN, ...INFINITE };

function withBits(values: Float32Array, at: number, bits: number): Float32Array {
  const changed = values.slice();
  new Uint32Array(changed.buffer)[at] = bits;
  return changed;
}

/** A row of x with `bits` first, in the middle and last, in what fills registers and in what is left over. */
function places(columns: number): number[] {
  return [...new Set([0, columns >> 1, columns - 1])];
}

function placeInt8(side: Side, inputs: number, outputs: number): { weight: number; columns: number } {
  const weight = side.put(packedI8(Int8Array.from(normals(inputs * outputs, 2).map((v) => 40 * v)), outputs, inputs));
  const columns = side.bytes(columnBytes(outputs)).byteOffset;
  side.kernels.prepareColumns(
    weight,
    side.put(new Float32Array(outputs).fill(0.01)),
    side.put(normals(outputs, 3)),
    columns,
    inputs,
    outputs,
  );
  return { weight, columns };
}

/** f32 of quantized rows, by a matrix. */
function dequantized(side: Side, quantized: number, inputs: number): Float32Array {
  const { weight, columns } = placeInt8(side, inputs, 3);
  const out = side.floats(3);
  side.kernels.linearInt8(
    quantized,
    weight,
    columns,
    0,
    out.byteOffset,
    0,
    side.scratch('linearInt8', { inputs, outputs: 3 }),
    1,
    inputs,
    3,
    0,
  );
  return out;
}

function ofRow(name: string, columns: number, row: Float32Array): KernelCase[] {
  const quantize = (side: Side): number => {
    const quantized = side.bytes(quantizedRowBytes(columns)).byteOffset;
    side.kernels.quantizeRows(side.put(row), quantized, 1, columns);
    return quantized;
  };
  const afterActivations =
    (run: (side: Side, out: number, quantized: number, activation: number) => void) => (side: Side) => ({
      nan: ACTIVATIONS.flatMap((activation) => {
        const [out, quantized] = [side.floats(9), side.bytes(quantizedRowBytes(9))];
        run(side, out.byteOffset, quantized.byteOffset, activationIndex(activation));
        return [out, dequantized(side, quantized.byteOffset, 9)];
      }),
    });
  return [
    { kernel: 'quantizeRows', name, run: (side) => ({ nan: [dequantized(side, quantize(side), columns)] }) },
    {
      kernel: 'linearInt8',
      name,
      run: afterActivations((side, out, quantized, activation) => {
        const { weight, columns: prepared } = placeInt8(side, columns, 9);
        const scratch = side.scratch('linearInt8', { inputs: columns, outputs: 9 });
        side.kernels.linearInt8(
          quantize(side),
          weight,
          prepared,
          0,
          out,
          quantized,
          scratch,
          1,
          columns,
          9,
          activation,
        );
      }),
    },
    {
      kernel: 'lowRankInt8',
      name,
      run: afterActivations((side, out, quantized, activation) => {
        const [a, b] = [placeInt8(side, columns, 5), placeInt8(side, 5, 9)];
        const scratch = side.scratch('lowRankInt8', { inputs: columns, rank: 5, outputs: 9 });
        side.kernels.lowRankInt8(
          quantize(side),
          a.weight,
          a.columns,
          b.weight,
          b.columns,
          0,
          out,
          quantized,
          scratch,
          1,
          columns,
          5,
          9,
          activation,
        );
      }),
    },
    {
      kernel: 'layerNorm',
      name,
      run: (side) => {
        const [out, quantized] = [side.floats(columns), side.bytes(quantizedRowBytes(columns))];
        const [gamma, beta] = [side.put(normals(columns, 2)), side.put(normals(columns, 3))];
        side.kernels.layerNorm(
          side.put(row),
          gamma,
          beta,
          out.byteOffset,
          quantized.byteOffset,
          side.scratch('layerNorm', { columns }),
          1,
          columns,
          1e-5,
        );
        return { nan: [out, dequantized(side, quantized.byteOffset, columns)] };
      },
    },
  ];
}

/** Kernels that need no row to hide a NaN in: element by element, and f32 sums. */
function ofElement(name: string, bits: number): KernelCase[] {
  const bad = withBits(new Float32Array(1), 0, bits);
  const single = (kernel: Exclude<Activation, 'none'>): KernelCase => ({
    kernel,
    name,
    run: (side) => {
      const out = side.floats(7);
      side.kernels[kernel](side.put(withBits(withBits(normals(7, 1), 0, bits), 6, bits)), out.byteOffset, 1, 7);
      return { nan: [out.subarray(0, 1), out.subarray(6)] };
    },
  });
  return [
    ...ACTIVATION_KERNELS.map(single),
    {
      kernel: 'add',
      name,
      run: (side) => {
        const outs = [side.floats(1), side.floats(1)];
        side.kernels.add(side.put(bad), side.put(Float32Array.of(1)), outs[0].byteOffset, 1, 1);
        side.kernels.add(side.put(Float32Array.of(1)), side.put(bad), outs[1].byteOffset, 1, 1);
        return { nan: outs };
      },
    },
    {
      kernel: 'linear',
      name,
      run: (side) => ({
        nan: ACTIVATIONS.map((activation) => {
          const out = side.floats(9);
          const weight = side.put(packedF32(normals(63, 2), 9, 7));
          side.kernels.linear(
            side.put(withBits(normals(7, 1), 3, bits)),
            weight,
            0,
            0,
            out.byteOffset,
            side.scratch('linear', {}),
            1,
            7,
            9,
            activationIndex(activation),
          );
          return out;
        }),
      }),
    },
    {
      kernel: 'tokens',
      name,
      run: (side) => {
        const out = side.floats(2);
        side.kernels.tokens(
          side.put(bad),
          side.put(bad),
          side.put(Int8Array.of(0, 1)),
          side.put(Float32Array.of(1, 1)),
          out.byteOffset,
          2,
          1,
        );
        return { nan: [out] };
      },
    },
    {
      kernel: 'embedding',
      name,
      run: (side) => {
        const [id, one] = [side.put(Int32Array.of(0)), side.put(Float32Array.of(1))];
        return {
          nan: [0, 1].map((place) => {
            const out = side.floats(1);
            const [table, residual] = [0, 1].map((i) => (i === place ? side.put(bad) : one));
            side.kernels.embedding(id, table, 0, residual, out.byteOffset, 1, 1, 1);
            return out;
          }),
        };
      },
    },
  ];
}

/** Two heads, of which the first meets the value; tokens that fill a panel, and that do not. */
const SHAPES: readonly AttentionShape[] = [5, 8, 9].map((tokens) => ({
  queries: 2,
  tokens,
  heads: 2,
  keyHeads: 2,
  keySize: 5,
  valueSize: 9,
}));

function ofAttention(name: string, bits: number): KernelCase[] {
  const isInfinite = Object.values(INFINITE).includes(bits);
  return (['attention', 'attentionInt16'] as const).flatMap((kernel) =>
    SHAPES.flatMap((shape) => {
      const operands = normalOperands(shape);
      const { keySize, valueSize, tokens } = shape;
      const one = (
        what: string,
        changed: Partial<Operands>,
        nan: (out: Float32Array) => Float32Array[],
      ): KernelCase => ({
        kernel,
        name: `${name} in ${what}, ${tokens} tokens`,
        run: (side) => ({ nan: nan(runAttention(side, kernel, shape, { ...operands, ...changed })) }),
      });
      const query = (out: Float32Array): Float32Array[] => [out.subarray(0, valueSize)];
      const firstHead = (out: Float32Array): Float32Array[] =>
        [0, 1].map((t) => out.subarray(2 * t * valueSize, (2 * t + 1) * valueSize));
      const negativeKeys = operands.k.map((v) => -Math.abs(v));
      const cases = [
        ...places(keySize).map((i) => one(`q ${i}`, { q: withBits(operands.q, i, bits) }, query)),
        // All scores are then infinite, of one sign.
        one('q, all keys negative', { q: withBits(operands.q, 0, bits), k: negativeKeys }, query),
      ];
      // In f32 a score of -Infinity is a weight of 0, and Infinity times a weight is Infinity: no NaN, but nothing
      // hidden either.
      if (isInfinite && kernel === 'attention') return cases;
      return [
        ...cases,
        one('k', { k: withBits(operands.k, 2 * (tokens - 1) * keySize, bits) }, firstHead),
        one('v', { v: withBits(operands.v, 2 * (tokens - 1) * valueSize, bits) }, (out) =>
          [0, 1].map((t) => out.subarray(2 * t * valueSize, 2 * t * valueSize + 1)),
        ),
      ];
    }),
  );
}

export const NOT_FINITE_CASES: readonly KernelCase[] = [
  ...Object.entries(NOT_FINITE).flatMap(([name, bits]) =>
    [1, 5, 16, 33].flatMap((columns) =>
      places(columns).flatMap((at) =>
        ofRow(`${name} at ${at} of ${columns}`, columns, withBits(normals(columns, 1), at, bits)),
      ),
    ),
  ),
  ...Object.entries(NAN).flatMap(([name, bits]) => ofElement(name, bits)),
  ...Object.entries(NOT_FINITE).flatMap(([name, bits]) => ofAttention(name, bits)),
];
