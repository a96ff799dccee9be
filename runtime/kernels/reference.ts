/**
 * The kernels once more, scalar and plain: the oracle that the fast ones are tested against. Integer results must agree exactly,
 * so whatever decides an integer is computed in f32 here as there; sums of f32 are taken in f64, nearer to the truth.
 */
import type { Kernels } from './kernels.ts';

const f32 = Math.fround;

/** The kernels on `memory`, which must not grow. */
export function referenceKernels(memory: WebAssembly.Memory): Kernels {
  const floats = new Float32Array(memory.buffer);
  const ints = new Int32Array(memory.buffer);
  const bytes = new Uint8Array(memory.buffer);
  const signedBytes = new Int8Array(memory.buffer);
  /** Element i of the f32 values at an address. */
  const f = (address: number, i: number): number => floats[address / 4 + i];

  return {
    patchify(pixels, out, channels, height, width, patch) {
      let at = out / 4;
      for (let y = 0; y < height; y += patch)
        for (let x = 0; x < width; x += patch)
          for (let c = 0; c < channels; c++)
            for (let dy = 0; dy < patch; dy++)
              for (let dx = 0; dx < patch; dx++) floats[at++] = f(pixels, (c * height + y + dy) * width + x + dx);
    },

    linear(x, weight, bias, out, rows, inputs, outputs) {
      for (let r = 0; r < rows; r++) {
        for (let o = 0; o < outputs; o++) {
          let sum = bias === 0 ? 0 : f(bias, o);
          for (let i = 0; i < inputs; i++) sum += f(x, r * inputs + i) * f(weight, o * inputs + i);
          floats[out / 4 + r * outputs + o] = sum;
        }
      }
    },

    quantizeRows(x, quantized, scales, zeros, rows, columns) {
      for (let r = 0; r < rows; r++) {
        const row = floats.subarray(x / 4 + r * columns, x / 4 + (r + 1) * columns);
        const low = row.reduce((a, b) => Math.min(a, b), 0);
        const range = f32(row.reduce((a, b) => Math.max(a, b), 0) - low);
        const inverse = range > f32(1e-30) ? f32(127 / range) : 0;
        const zero = toInt32(roundToEven(f32(-low * inverse)));
        floats[scales / 4 + r] = f32(range / 127);
        ints[zeros / 4 + r] = zero;
        row.forEach((v, i) => {
          bytes[quantized + r * columns + i] = clamp(toInt32(roundToEven(f32(v * inverse))) + zero, 0, 127);
        });
      }
    },

    sumRows(weight, out, rows, columns) {
      for (let r = 0; r < rows; r++) {
        const row = signedBytes.subarray(weight + r * columns, weight + (r + 1) * columns);
        ints[out / 4 + r] = row.reduce((sum, w) => sum + w, 0);
      }
    },

    linearInt8(quantized, scales, zeros, weight, weightScales, weightSums, bias, out, rows, inputs, outputs) {
      for (let r = 0; r < rows; r++) {
        for (let o = 0; o < outputs; o++) {
          let sum = -ints[zeros / 4 + r] * ints[weightSums / 4 + o];
          for (let i = 0; i < inputs; i++) sum += bytes[quantized + r * inputs + i] * signedBytes[weight + o * inputs + i];
          floats[out / 4 + r * outputs + o] = sum * f(scales, r) * f(weightScales, o) + (bias === 0 ? 0 : f(bias, o));
        }
      }
    },

    tokens(patches, cls, position, out, patchCount, columns) {
      for (let i = 0; i < (patchCount + 1) * columns; i++) {
        floats[out / 4 + i] = (i < columns ? f(cls, i) : f(patches, i - columns)) + f(position, i);
      }
    },

    layerNorm(x, gamma, beta, out, rows, columns, epsilon) {
      for (let r = 0; r < rows; r++) {
        const row = Array.from(floats.subarray(x / 4 + r * columns, x / 4 + (r + 1) * columns));
        const mean = row.reduce((sum, v) => sum + v, 0) / columns;
        const variance = row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / columns;
        row.forEach((v, i) => {
          floats[out / 4 + r * columns + i] = ((v - mean) / Math.sqrt(variance + epsilon)) * f(gamma, i) + f(beta, i);
        });
      }
    },

    attention(q, k, v, _scores, out, tokens, columns, heads) {
      const perHead = columns / heads;
      for (let t = 0; t < tokens; t++) {
        for (let head = 0; head < columns; head += perHead) {
          const weights = Array.from({ length: tokens }, (_, s) => {
            let score = 0;
            for (let i = head; i < head + perHead; i++) score += f(q, t * columns + i) * f(k, s * columns + i);
            return score / Math.sqrt(perHead);
          });
          const largest = Math.max(...weights);
          const total = weights.reduce((sum, w) => sum + Math.exp(w - largest), 0);
          for (let i = head; i < head + perHead; i++) {
            floats[out / 4 + t * columns + i] =
              weights.reduce((sum, w, s) => sum + Math.exp(w - largest) * f(v, s * columns + i), 0) / total;
          }
        }
      }
    },

    gelu(x, out, count) {
      for (let i = 0; i < count; i++) floats[out / 4 + i] = 0.5 * f(x, i) * (1 + erf(f(x, i) / Math.SQRT2));
    },

    tanh(x, out, count) {
      for (let i = 0; i < count; i++) floats[out / 4 + i] = Math.tanh(f(x, i));
    },

    add(a, b, out, count) {
      for (let i = 0; i < count; i++) floats[out / 4 + i] = f(a, i) + f(b, i);
    },

    copy(x, out, count) {
      for (let i = 0; i < count; i++) floats[out / 4 + i] = f(x, i);
    },
  };
}

/** Rounds to the nearest integer, halves to even, as WebAssembly's `nearest`. */
function roundToEven(x: number): number {
  const floor = Math.floor(x);
  if (x - floor !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** erf by its Taylor series, and by its continued fraction where that is slow (Abramowitz, Stegun 7.1.5, 7.1.14): to 1e-14. */
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
