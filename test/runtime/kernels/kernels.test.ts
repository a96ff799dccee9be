/** Every kernel against its scalar reference: integers exactly, floats to 1e-5 of the largest value. */
import { describe, expect, it } from 'vitest';
import { instantiateKernels, type Kernels } from '../../../runtime/kernels/kernels.ts';
import { referenceKernels } from '../../../runtime/kernels/reference.ts';
import { random } from '../../../runtime/random.ts';
import { kernelsModule } from '../kernels-module.ts';

/** Around the widths of a register (4 floats, 16 bytes), and a ViT's number of tokens. */
const SIZES = [1, 3, 4, 5, 15, 16, 17, 31, 32, 33, 197];

const PAGES = 16;
const module = await kernelsModule();

/** The two implementations, each on a memory of its own with the same content. */
function pair(): { fast: Side; slow: Side } {
  const [fastMemory, slowMemory] = [0, 1].map(() => new WebAssembly.Memory({ initial: PAGES, maximum: PAGES }));
  return { fast: new Side(fastMemory, instantiateKernels(module, fastMemory)), slow: new Side(slowMemory, referenceKernels(slowMemory)) };
}

/** A memory with a bump allocator, so that both sides place their operands alike. */
class Side {
  readonly memory: WebAssembly.Memory;
  readonly kernels: Kernels;
  #next = 16;

  constructor(memory: WebAssembly.Memory, kernels: Kernels) {
    this.memory = memory;
    this.kernels = kernels;
  }

  floats(count: number): Float32Array {
    return new Float32Array(this.memory.buffer, this.#allocate(4 * count), count);
  }
  ints(count: number): Int32Array {
    return new Int32Array(this.memory.buffer, this.#allocate(4 * count), count);
  }
  bytes(count: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, this.#allocate(count), count);
  }
  int8s(count: number): Int8Array {
    return new Int8Array(this.memory.buffer, this.#allocate(count), count);
  }
  put(values: ArrayLike<number>): number {
    const array = this.floats(values.length);
    array.set(values);
    return array.byteOffset;
  }

  /** Whether nothing was written just past the last operand. */
  get isCleanPastEnd(): boolean {
    return new Uint8Array(this.memory.buffer, this.#next, 256).every((byte) => byte === 0);
  }

  /** Aligned to a register. */
  #allocate(bytes: number): number {
    const at = this.#next;
    this.#next = Math.ceil((at + bytes) / 16) * 16;
    return at;
  }
}

/** Runs one thing on both sides and compares the results: floats to 1e-5 of their largest, integers exactly. */
function compare(run: (side: Side) => { floats?: Float32Array[]; exact?: (Uint8Array | Int32Array)[] }): void {
  const { fast, slow } = pair();
  const got = run(fast);
  const expected = run(slow);
  expect(fast.isCleanPastEnd).toBe(true);
  got.exact?.forEach((values, i) => expect(values).toEqual(expected.exact?.[i]));
  got.floats?.forEach((values, i) => expectClose(values, expected.floats?.[i] as Float32Array));
}

function expectClose(got: Float32Array, expected: Float32Array): void {
  const largest = expected.reduce((a, b) => Math.max(a, Math.abs(b)), 1e-30);
  const worst = got.reduce((worst, v, i) => Math.max(worst, Math.abs(v - expected[i]) / largest), 0);
  expect(worst).toBeLessThan(1e-5);
}

function normals(count: number, seed: number): Float32Array {
  const source = random(seed, count);
  return Float32Array.from({ length: count }, () => source.normal());
}

/** Rows that are hard to quantize. */
const EXTREMES: Readonly<Record<string, (count: number) => Float32Array>> = {
  normal: (count) => normals(count, 7),
  zeros: (count) => new Float32Array(count),
  'one huge outlier': (count) => normals(count, 8).map((v, i) => (i === count >> 1 ? 1e30 : v)),
  'all negative': (count) => normals(count, 9).map((v) => -1 - Math.abs(v)),
  'all equal': (count) => new Float32Array(count).fill(3.25),
  denormals: (count) => normals(count, 10).map((v) => v * 1e-41),
  'halves between steps': (count) => Float32Array.from({ length: count }, (_, i) => (i === 0 ? 127 : (i % 127) + 0.5)),
};

describe.each(SIZES)('size %i', (n) => {
  it('patchify', () => {
    compare((side) => {
      const [channels, height, width, patch] = [3, 2 * n, n, n];
      if (channels * height * width > 100_000) return {};
      const out = side.floats(channels * height * width);
      side.kernels.patchify(side.put(normals(out.length, 1)), out.byteOffset, channels, height, width, patch);
      return { floats: [out] };
    });
  });

  it.each(SIZES)('linear with %i outputs', (outputs) => {
    for (const hasBias of [true, false]) {
      compare((side) => {
        const rows = 3;
        const x = side.put(normals(rows * n, 1));
        const weight = side.put(normals(outputs * n, 2));
        const bias = hasBias ? side.put(normals(outputs, 3)) : 0;
        const out = side.floats(rows * outputs);
        side.kernels.linear(x, weight, bias, out.byteOffset, rows, n, outputs);
        return { floats: [out] };
      });
    }
  });

  it.each(Object.entries(EXTREMES))('quantizeRows: %s', (_, make) => {
    compare((side) => {
      const rows = 2;
      const x = side.put(Float32Array.from([...make(n), ...make(n).map((v) => -v)]));
      const quantized = side.bytes(rows * n);
      const scales = side.floats(rows);
      const zeros = side.ints(rows);
      side.kernels.quantizeRows(x, quantized.byteOffset, scales.byteOffset, zeros.byteOffset, rows, n);
      return { exact: [quantized, zeros, new Int32Array(scales.buffer, scales.byteOffset, rows)] };
    });
  });

  it.each(SIZES)('linearInt8 with %i outputs', (outputs) => {
    for (const fill of ['random', 'saturated'] as const) {
      compare((side) => {
        const rows = 2;
        const source = random(n, outputs);
        const x = side.bytes(rows * n);
        x.forEach((_, i) => (x[i] = fill === 'saturated' ? 127 : source.below(128)));
        const weight = side.int8s(outputs * n);
        weight.forEach((_, i) => (weight[i] = fill === 'saturated' ? -127 : source.below(255) - 127));
        const zeros = side.ints(rows).fill(fill === 'saturated' ? 127 : 61);
        const sums = side.ints(outputs);
        side.kernels.sumRows(weight.byteOffset, sums.byteOffset, outputs, n);
        const scales = side.put(normals(rows, 4).map(Math.abs));
        const weightScales = side.put(normals(outputs, 5).map(Math.abs));
        const bias = side.put(normals(outputs, 6));
        const out = side.floats(rows * outputs);
        side.kernels.linearInt8(
          x.byteOffset, scales, zeros.byteOffset, weight.byteOffset, weightScales, sums.byteOffset, bias, out.byteOffset, rows, n, outputs);
        return { floats: [out], exact: [sums] };
      });
    }
  });

  it('linearInt8 accumulates exactly', () => {
    compare((side) => {
      const [x, weight, zeros, sums] = [side.bytes(n).fill(127), side.int8s(n).fill(-127), side.ints(1), side.ints(1)];
      const one = side.put([1]);
      const out = side.floats(1);
      side.kernels.linearInt8(x.byteOffset, one, zeros.byteOffset, weight.byteOffset, one, sums.byteOffset, 0, out.byteOffset, 1, n, 1);
      expect(out[0]).toBe(-127 * 127 * n);
      return { floats: [out] };
    });
  });

  it('tokens', () => {
    compare((side) => {
      const columns = 5;
      const out = side.floats((n + 1) * columns);
      side.kernels.tokens(side.put(normals(n * columns, 1)), side.put(normals(columns, 2)), side.put(normals(out.length, 3)), out.byteOffset, n, columns);
      return { floats: [out] };
    });
  });

  it('layerNorm', () => {
    compare((side) => {
      const rows = 3;
      const x = side.put(normals(rows * n, 1).map((v, i) => (i < n ? v : i < 2 * n ? 100 + v : 4)));
      const out = side.floats(rows * n);
      side.kernels.layerNorm(x, side.put(normals(n, 2)), side.put(normals(n, 3)), out.byteOffset, rows, n, 1e-5);
      return { floats: [out.subarray(0, n), out.subarray(2 * n)] };
    });
  });

  it.each([[1, 1], [2, 3], [4, 4], [3, 16], [2, 17], [1, 33]])('attention: %i heads of %i', (heads, perHead) => {
    for (const spread of [1, 20]) {
      compare((side) => {
        const columns = heads * perHead;
        const [q, k, v] = [1, 2, 3].map((seed) => side.put(normals(n * columns, seed).map((x) => (seed === 1 ? x * spread : x))));
        const scores = side.floats(n);
        const out = side.floats(n * columns);
        side.kernels.attention(q, k, v, scores.byteOffset, out.byteOffset, n, columns, heads);
        return { floats: [out] };
      });
    }
  });

  it.each(['gelu', 'tanh'] as const)('%s', (op) => {
    compare((side) => {
      const special = [0, -0, 1e-6, -1e-6, 0.5, -3, 4, -5.5, 7, -20, 100, -100, 1e30, -1e30];
      const outputs = [special.slice(0, 12), special.slice(12), normals(n, 1)].map((values) => {
        const out = side.floats(values.length);
        side.kernels[op](side.put(values), out.byteOffset, values.length);
        return out;
      });
      return { floats: outputs };
    });
  });

  it('add, in place too', () => {
    compare((side) => {
      const a = side.floats(n);
      a.set(normals(n, 1));
      side.kernels.add(a.byteOffset, side.put(normals(n, 2)), a.byteOffset, n);
      return { floats: [a] };
    });
  });

  it('copy', () => {
    compare((side) => {
      const out = side.floats(n);
      side.kernels.copy(side.put(normals(n, 1)), out.byteOffset, n);
      return { floats: [out] };
    });
  });
});

it('carries NaN and infinity to the output instead of hiding them', () => {
  const { fast } = pair();
  for (const bad of [NaN, Infinity]) {
    const x = fast.put([1, bad, 2, 3, 4]);
    const [quantized, scales, zeros, sums] = [fast.bytes(5), fast.floats(1), fast.ints(1), fast.ints(1)];
    fast.kernels.quantizeRows(x, quantized.byteOffset, scales.byteOffset, zeros.byteOffset, 1, 5);
    const out = fast.floats(1);
    fast.kernels.linearInt8(
      quantized.byteOffset, scales.byteOffset, zeros.byteOffset, fast.int8s(5).fill(1).byteOffset, fast.put([1]), sums.byteOffset, 0,
      out.byteOffset, 1, 5, 1);
    expect(out[0]).toBeNaN();
  }
});
