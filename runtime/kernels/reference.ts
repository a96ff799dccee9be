/**
 * The kernels once more, scalar and plain: the oracle that the fast ones are tested against. Integer results must agree
 * exactly, so whatever decides an integer is computed in f32 here as there; sums of f32 are taken in f64, nearer to the
 * truth.
 */

import type { Activation } from '../artifact/plan.ts';
import { columnBytes } from '../artifact/plan-memory.ts';
import {
  ACTIVATIONS,
  alignUp,
  GROUP,
  INT4_GROUP,
  int4Shape,
  PANEL,
  packedShape,
  quantizedRowBytes,
} from '../artifact/steps.ts';
import type { Kernels } from './kernels.ts';

const f32 = Math.fround;

/** The kernels on `memory`, which must not grow. They need no scratch. */
export function referenceKernels(memory: WebAssembly.Memory): Kernels {
  const floats = new Float32Array(memory.buffer);
  const ints = new Int32Array(memory.buffer);
  const bytes = new Uint8Array(memory.buffer);
  const signedBytes = new Int8Array(memory.buffer);
  /** Element i of the f32 values at an address. */
  const f = (address: number, i: number): number => floats[address / 4 + i];
  const rowAt = (address: number, row: number, columns: number): Float32Array =>
    floats.subarray(address / 4 + row * columns, address / 4 + (row + 1) * columns);

  function quantizeRows(x: number, quantized: number, rows: number, columns: number): void {
    for (let r = 0; r < rows; r++) {
      const out = quantized + r * quantizedRowBytes(columns);
      const row = rowAt(x, r, columns);
      const low = row.reduce((a, b) => Math.min(a, b), 0);
      const range = f32(row.reduce((a, b) => Math.max(a, b), 0) - low);
      const inverse = range > f32(1e-30) ? f32(127 / range) : 0;
      const zero = toInt32(roundToEven(f32(-low * inverse)));
      bytes.fill(0, out, out + alignUp(columns));
      row.forEach((v, i) => {
        bytes[out + i] = clamp(toInt32(roundToEven(f32(v * inverse))) + zero, 0, 127);
      });
      const trailer = (out + alignUp(columns)) / 4;
      floats[trailer] = f32(range / 127);
      ints.set([zero, 0, 0], trailer + 1);
    }
  }

  /** Activation, residual and quantizing, as every linear layer ends. y (rows, columns) in f64 or f32. */
  function finish(
    y: Float64Array | Float32Array,
    residual: number,
    out: number,
    quantized: number,
    rows: number,
    columns: number,
    activation: number,
  ): void {
    const apply = ACTIVATION_FUNCTIONS[ACTIVATIONS[activation]];
    const result = Float32Array.from(y, (v, i) => apply(v) + (residual === 0 ? 0 : f(residual, i)));
    if (out !== 0) floats.set(result, out / 4);
    if (quantized === 0) return;
    // The rows lie where f32 fits, so that quantizeRows can read them: at the end of the memory.
    const place = memory.buffer.byteLength - 4 * result.length;
    const kept = floats.slice(place / 4);
    floats.set(result, place / 4);
    quantizeRows(place, quantized, rows, columns);
    floats.set(kept, place / 4);
  }

  /** Int8 products, exact, then scaled and shifted in f32 as the kernels do. (rows, outputs) */
  function multiplyInt8(
    x: number,
    weight: number,
    columns: number,
    rows: number,
    inputs: number,
    outputs: number,
  ): Float32Array {
    const groups = packedShape('I8', outputs, inputs)[1];
    const y = new Float32Array(rows * outputs);
    for (let r = 0; r < rows; r++) {
      const row = x + r * quantizedRowBytes(inputs);
      const trailer = (row + alignUp(inputs)) / 4;
      for (let o = 0; o < outputs; o++) {
        const [panel, lane] = [Math.floor(o / PANEL), o % PANEL];
        const at = (columns + panel * columnBytes(PANEL)) / 4 + lane;
        let sum = -ints[trailer + 1] * ints[at + 8];
        for (let i = 0; i < inputs; i++) {
          sum += bytes[row + i] * signedBytes[weight + ((panel * groups + (i >> 2)) * PANEL + lane) * 4 + (i & 3)];
        }
        y[r * outputs + o] = f32(f32(f32(sum) * f32(floats[at] * floats[trailer])) + floats[at + 16]);
      }
    }
    return y;
  }

  function elementwise(activation: Activation): Kernels['relu'] {
    return (x, out, rows, columns) => {
      for (let i = 0; i < rows * columns; i++) floats[out / 4 + i] = ACTIVATION_FUNCTIONS[activation](f(x, i));
    };
  }

  /** Attention of one head's query, given how scores become weights (which need not sum to 1). */
  function attend(
    scores: readonly number[],
    weigh: (scores: readonly number[]) => readonly number[],
    value: (token: number, i: number) => number,
    size: number,
  ): number[] {
    const weights = weigh(scores);
    const total = weights.reduce((a, b) => a + b, 0);
    return Array.from({ length: size }, (_, i) => weights.reduce((sum, w, t) => sum + w * value(t, i), 0) / total);
  }

  return {
    patchify(pixels, out, channels, height, width, patch) {
      let at = out / 4;
      for (let y = 0; y < height; y += patch)
        for (let x = 0; x < width; x += patch)
          for (let c = 0; c < channels; c++)
            for (let dy = 0; dy < patch; dy++)
              for (let dx = 0; dx < patch; dx++) floats[at++] = f(pixels, (c * height + y + dy) * width + x + dx);
    },

    quantizeRows,

    linear(x, weight, bias, residual, out, _scratch, rows, inputs, outputs, activation) {
      const y = new Float64Array(rows * outputs);
      for (let r = 0; r < rows; r++) {
        for (let o = 0; o < outputs; o++) {
          let sum = bias === 0 ? 0 : f(bias, o);
          for (let i = 0; i < inputs; i++)
            sum += f(x, r * inputs + i) * f(weight, (Math.floor(o / PANEL) * inputs + i) * PANEL + (o % PANEL));
          y[r * outputs + o] = sum;
        }
      }
      finish(y, residual, out, 0, rows, outputs, activation);
    },

    unpackWeight(values, factors, out, outputs, inputs) {
      const [panels, groups] = packedShape('I8', outputs, inputs);
      signedBytes.fill(0, out, out + panels * groups * PANEL * GROUP);
      for (let o = 0; o < outputs; o++)
        for (let i = 0; i < groups * GROUP; i++)
          signedBytes[out + ((Math.floor(o / PANEL) * groups + (i >> 2)) * PANEL + (o % PANEL)) * GROUP + (i & 3)] =
            int4Value(values, factors, o, i, inputs);
    },

    unpackTable(values, factors, out, rows, columns) {
      for (let r = 0; r < rows; r++)
        for (let i = 0; i < columns; i++)
          signedBytes[out + r * columns + i] = int4Value(values, factors, r, i, columns);
    },

    prepareColumns(weight, scales, bias, columns, inputs, outputs) {
      const [panels, groups] = packedShape('I8', outputs, inputs);
      for (let o = 0; o < panels * PANEL; o++) {
        const [panel, lane] = [Math.floor(o / PANEL), o % PANEL];
        const at = (columns + panel * columnBytes(PANEL)) / 4 + lane;
        let sum = 0;
        for (let i = 0; i < groups * GROUP; i++)
          sum += signedBytes[weight + ((panel * groups + (i >> 2)) * PANEL + lane) * 4 + (i & 3)];
        floats[at] = o < outputs ? f(scales, o) : 0;
        ints[at + 8] = sum;
        floats[at + 16] = o < outputs && bias !== 0 ? f(bias, o) : 0;
      }
    },

    linearInt8(x, weight, columns, residual, out, quantized, _scratch, rows, inputs, outputs, activation) {
      finish(
        multiplyInt8(x, weight, columns, rows, inputs, outputs),
        residual,
        out,
        quantized,
        rows,
        outputs,
        activation,
      );
    },

    lowRankInt8(
      x,
      loraA,
      columnsA,
      loraB,
      columnsB,
      residual,
      out,
      quantized,
      scratch,
      rows,
      inputs,
      rank,
      outputs,
      activation,
    ) {
      for (let r = 0; r < rows; r++) {
        const inner = multiplyInt8(x + r * quantizedRowBytes(inputs), loraA, columnsA, 1, inputs, rank);
        floats.set(inner, scratch / 4);
        const place = alignUp(scratch + 4 * rank);
        quantizeRows(scratch, place, 1, rank);
        const y = multiplyInt8(place, loraB, columnsB, 1, rank, outputs);
        const after = (address: number, bytesOfRow: number): number => (address === 0 ? 0 : address + r * bytesOfRow);
        finish(
          y,
          after(residual, 4 * outputs),
          after(out, 4 * outputs),
          after(quantized, quantizedRowBytes(outputs)),
          1,
          outputs,
          activation,
        );
      }
    },

    tokens(patches, cls, position, positionScales, out, rows, columns) {
      for (let i = 0; i < rows * columns; i++) {
        const row = Math.floor(i / columns);
        floats[out / 4 + i] =
          (i < columns ? f(cls, i) : f(patches, i - columns)) + tableValue(position, positionScales, i, row);
      }
    },

    prefixTokens(patches, prefix, position, positionScales, out, prefixRows, rows, columns) {
      const before = prefixRows * columns;
      for (let i = 0; i < rows * columns; i++) {
        const row = Math.floor(i / columns);
        floats[out / 4 + i] =
          (i < before ? f(prefix, i) : f(patches, i - before)) + tableValue(position, positionScales, i, row);
      }
    },

    embedding(ids, table, scales, residual, out, rows, columns, entries) {
      for (let r = 0; r < rows; r++) {
        const id = Math.min(ids === 0 ? r : ints[ids / 4 + r] >>> 0, entries - 1);
        for (let i = 0; i < columns; i++) {
          const added = residual === 0 ? 0 : f(residual, r * columns + i);
          floats[out / 4 + r * columns + i] = tableValue(table, scales, id * columns + i, id) + added;
        }
      }
    },

    layerNorm(x, gamma, beta, out, quantized, _scratch, rows, columns, epsilon) {
      const y = new Float64Array(rows * columns);
      for (let r = 0; r < rows; r++) {
        const row = Array.from(rowAt(x, r, columns));
        const mean = row.reduce((sum, v) => sum + v, 0) / columns;
        const variance = row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / columns;
        row.forEach((v, i) => {
          y[r * columns + i] = ((v - mean) / Math.sqrt(variance + epsilon)) * f(gamma, i) + f(beta, i);
        });
      }
      finish(y, 0, out, quantized, rows, columns, 0);
    },

    attention(q, k, v, out, _scratch, queries, tokens, heads, keyHeads, keySize, valueSize, scale) {
      for (let t = 0; t < queries; t++) {
        for (let h = 0; h < heads; h++) {
          const kv = keyHeads === 1 ? 0 : h;
          const scores = Array.from({ length: tokens }, (_, s) => {
            let score = 0;
            for (let i = 0; i < keySize; i++)
              score += f(q, (t * heads + h) * keySize + i) * f(k, (s * keyHeads + kv) * keySize + i);
            return score * scale;
          });
          const softmax = (row: readonly number[]): number[] => row.map((score) => Math.exp(score - Math.max(...row)));
          floats.set(
            attend(scores, softmax, (s, i) => f(v, (s * keyHeads + kv) * valueSize + i), valueSize),
            out / 4 + (t * heads + h) * valueSize,
          );
        }
      }
    },

    attentionInt16(q, k, v, out, _scratch, queries, tokens, heads, keyHeads, keySize, valueSize, scale) {
      // What is quantized here as there: rows of q and k, columns of v, probabilities. All sums are exact.
      const limit = Math.min(32767, Math.floor(f32(Math.sqrt(f32(2 ** 30 / (2 * Math.ceil(keySize / 4)))))) - 1);
      const factor = f32(f32(scale) * f32(Math.LOG2E));
      const rowOf = (address: number, row: number): Rounded => rounded(rowAt(address, row, keySize), limit);
      for (let h = 0; h < heads; h++) {
        const kv = keyHeads === 1 ? 0 : h;
        const keys = Array.from({ length: tokens }, (_, s) => rowOf(k, s * keyHeads + kv));
        const values = Array.from({ length: valueSize }, (_, i) =>
          rounded(
            Float32Array.from({ length: tokens }, (_, s) => f(v, (s * keyHeads + kv) * valueSize + i)),
            32767,
            f32(1 / 32767),
          ),
        );
        for (let t = 0; t < queries; t++) {
          const query = rowOf(q, t * heads + h);
          const scores = keys.map((key) =>
            f32(
              f32(query.values.reduce((sum, a, i) => sum + a * key.values[i], 0)) *
                f32(key.scale * f32(query.scale * factor)),
            ),
          );
          floats.set(
            attend(scores, softmaxInt15, (s, i) => values[i].values[s] * values[i].scale, valueSize),
            out / 4 + (t * heads + h) * valueSize,
          );
        }
      }
    },

    gelu: elementwise('gelu'),
    tanh: elementwise('tanh'),
    relu: elementwise('relu'),
    sigmoid: elementwise('sigmoid'),
    silu: elementwise('silu'),
    quickGelu: elementwise('quickGelu'),
    geluTanh: elementwise('geluTanh'),
    mish: elementwise('mish'),
    relu6: elementwise('relu6'),
    reluSquared: elementwise('reluSquared'),
    leakyRelu: elementwise('leakyRelu'),
    hardSwish: elementwise('hardSwish'),

    add(a, b, out, rows, columns) {
      for (let i = 0; i < rows * columns; i++) floats[out / 4 + i] = f(a, i) + f(b, i);
    },

    multiply(a, b, out, rows, columns) {
      for (let i = 0; i < rows * columns; i++) floats[out / 4 + i] = f(a, i) * f(b, i);
    },

    selectRow(x, out, _rows, columns, index) {
      floats.set(rowAt(x, index, columns).slice(), out / 4);
    },

    meanRows(x, out, _rows, columns, index, count) {
      for (let i = 0; i < columns; i++) {
        let sum = 0;
        for (let row = index; row < index + count; row++) sum += f(x, row * columns + i);
        floats[out / 4 + i] = sum / count;
      }
    },

    concat(a, b, out, first, second) {
      floats.set(rowAt(a, 0, first).slice(), out / 4);
      floats.set(rowAt(b, 0, second).slice(), out / 4 + first);
    },
  };

  /** Four bits times the factor of their group. */
  function int4Value(values: number, factors: number, row: number, column: number, columns: number): number {
    const [, rowBytes] = int4Shape(row, columns);
    const [group, place] = [Math.floor(column / INT4_GROUP), column % INT4_GROUP];
    const half = INT4_GROUP / 2;
    const byte = signedBytes[values + row * rowBytes + group * half + (place % half)];
    const bits = place < half ? (byte << 28) >> 28 : byte >> 4;
    return bits * signedBytes[factors + (row * rowBytes) / half + group];
  }

  /** Element `at` of a table: f32, or int8 with the scale of its row. */
  function tableValue(table: number, scales: number, at: number, row: number): number {
    return scales === 0 ? f(table, at) : signedBytes[table + at] * f(scales, row);
  }
}

const ACTIVATION_FUNCTIONS: Readonly<Record<Activation, (x: number) => number>> = {
  none: (x) => x,
  gelu,
  tanh: Math.tanh,
  relu,
  sigmoid,
  silu: (x) => x * sigmoid(x),
  quickGelu: (x) => x * sigmoid(1.702 * x),
  geluTanh: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  mish: (x) => x * Math.tanh(Math.log1p(Math.exp(x))),
  relu6: (x) => Math.min(Math.max(x, 0), 6),
  reluSquared: (x) => relu(x) ** 2,
  leakyRelu: (x) => (x < 0 ? 0.01 * x : x),
  hardSwish: (x) => x * (Math.min(Math.max(x + 3, 0), 6) / 6),
};

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/** NaN stays. */
function relu(x: number): number {
  return x < 0 ? 0 : x;
}

function gelu(x: number): number {
  return 0.5 * x * (1 + erf(x / Math.SQRT2));
}

/** Integers within ±limit, and what to multiply them with. */
interface Rounded {
  readonly values: readonly number[];
  readonly scale: number;
}

/** x ≈ scale · values. `step` is 1 / limit where the scale is computed with it. */
function rounded(x: Float32Array, limit: number, step: number | null = null): Rounded {
  const most = x.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  const inverse = most > f32(1e-30) ? f32(limit / most) : 0;
  const values = Array.from(x, (v) => roundToEven(f32(v * inverse)));
  return { values, scale: step === null ? f32(most / limit) : f32(most * step) };
}

/** 32767 · 2^x / Σ 2^x, rounded: the sum in f32 in the order of the kernels' four lanes, since it decides integers. */
function softmaxInt15(scores: readonly number[]): number[] {
  const most = scores.reduce((a, b) => Math.max(a, b), -Infinity);
  const powers = scores.map((score) => exp2(f32(score - most)));
  // What pads the row to a multiple of eight adds 2^-126 each.
  while (powers.length % 8 !== 0) powers.push(2 ** -126);
  const lanes = [0, 1, 2, 3].map((lane) =>
    powers.reduce((sum, power, i) => (i % 4 === lane ? f32(sum + power) : sum), 0),
  );
  const sum = f32(f32(lanes[0] + lanes[1]) + f32(lanes[2] + lanes[3]));
  const factor = f32(32767 / sum);
  return powers.slice(0, scores.length).map((power) => roundToEven(f32(power * factor)));
}

/** 2^x for x <= 0 as the kernels compute it, to the bit. */
function exp2(x: number): number {
  const kept = Math.max(x, -126);
  const whole = roundToEven(kept);
  const r = f32(kept - whole);
  const coefficients = [
    0.001327647129073739, 0.009675541892647743, 0.05550713092088699, 0.24022120237350464, 0.6931469440460205,
    1.0000001192092896,
  ];
  return coefficients.map(f32).reduce((p, c) => f32(f32(p * r) + c)) * 2 ** whole;
}

/** Rounds to the nearest integer, halves to even, as WebAssembly's `nearest`. */
function roundToEven(x: number): number {
  const floor = Math.floor(x);
  if (x - floor !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}

/**
 * erf by its Taylor series, and by its continued fraction where that is slow (Abramowitz, Stegun 7.1.5, 7.1.14): to
 * 1e-14.
 */
function erf(x: number): number {
  const z = Math.abs(x);
  if (z > 6) return Math.sign(x);
  if (z > 3) {
    let fraction = 0;
    for (let n = 60; n > 0; n--) fraction = n / 2 / (z + fraction);
    return Math.sign(x) * (1 - Math.exp(-z * z) / Math.sqrt(Math.PI) / (z + fraction));
  }
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-17; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

/** NaN becomes 0, as WebAssembly's saturating conversion. */
function toInt32(x: number): number {
  return Number.isNaN(x) ? 0 : x;
}

function clamp(x: number, low: number, high: number): number {
  return Math.min(Math.max(x, low), high);
}
