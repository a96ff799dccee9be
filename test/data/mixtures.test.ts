/** Mixtures of two samples: what is in them, how many there are, and that a seed and an epoch decide. */
import { expect, it } from 'vitest';
import { withMixtures } from '../../cli/data/mixtures.ts';
import type { Pass } from '../../cli/data/pass.ts';
import { type Batch, type Samples, textLength } from '../../cli/data/samples.ts';
import { bytes, floats, integers } from '../../cli/engines/engine.ts';

const BATCH = 4;

/** Samples in their order, in full batches; `make` gives the inputs of those from `first` on. */
function samplesOf(size: number, tokens: number | null, make: (first: number) => Batch['inputs']): Samples {
  return {
    size,
    count: ({ batchSize }) => Math.floor(size / batchSize),
    async *batches() {
      for (let first = 0; first + BATCH <= size; first += BATCH)
        yield {
          inputs: make(first),
          labels: Int32Array.from({ length: BATCH }, (_, i) => first + i),
          isLabelled: true,
          size: BATCH,
          rows: Array.from({ length: BATCH }, (_, i) => first + i),
          tokens,
          sample: () => ({}),
        };
    },
  };
}

/** Pictures of 1 × 2 pixels; channels of sample i are i·10, i·10 + 1, ... */
const pictures = samplesOf(12, null, (first) => ({
  pictures: bytes(
    Uint8Array.from({ length: BATCH * 6 }, (_, i) => (first + Math.floor(i / 6)) * 10 + (i % 6)),
    [BATCH, 1, 2, 3],
  ),
}));

const TOKENS = 8;
const lengthOf = (text: number): number => 3 + (text % 6);

/** Token t of text i is 100·i + t + 1, its type 1 from the third on; 0 after the text's end. */
const texts = samplesOf(8, TOKENS, (first) => {
  const cell = (i: number): { text: number; token: number; inside: boolean } => {
    const [text, token] = [first + Math.floor(i / TOKENS), i % TOKENS];
    return { text, token, inside: token < lengthOf(text) };
  };
  const cells = Array.from({ length: BATCH * TOKENS }, (_, i) => cell(i));
  const ids = cells.map(({ text, token, inside }) => (inside ? 100 * text + token + 1 : 0));
  const shape = [BATCH, TOKENS];
  return {
    ids: integers(Int32Array.from(ids), shape),
    types: integers(
      Int32Array.from(cells, ({ token, inside }) => Number(inside && token >= 2)),
      shape,
    ),
    mask: floats(
      Float32Array.from(cells, ({ inside }) => Number(inside)),
      shape,
    ),
  };
});

async function mixturesOf(samples: Samples, options: Partial<Pass> = {}, share = 2): Promise<Batch[]> {
  const made: Batch[] = [];
  const mixed = withMixtures(samples, share);
  for await (const batch of mixed.batches({ batchSize: BATCH, seed: 5, ...options }))
    if (!batch.isLabelled) made.push(batch);
  return made;
}

it('gives the samples themselves where none are asked for', () => {
  expect(withMixtures(pictures, 0)).toBe(pictures);
});

it('counts both, and leaves the samples as they are', async () => {
  const mixed = withMixtures(pictures, 1.5);
  // 1.5 times three batches, rounded.
  expect([mixed.size, mixed.count({ batchSize: BATCH })]).toEqual([30, 3 + 5]);
  const kinds: boolean[] = [];
  for await (const { isLabelled, inputs, rows } of mixed.batches({ batchSize: BATCH, seed: 1, shuffle: true })) {
    kinds.push(isLabelled);
    if (isLabelled) expect(Array.from(inputs.pictures.data.subarray(0, 6))).toEqual(sixFrom(rows[0] * 10));
  }
  expect(kinds.filter((isLabelled) => isLabelled)).toHaveLength(3);
  expect(kinds).toHaveLength(8);
});

function sixFrom(start: number): number[] {
  return Array.from({ length: 6 }, (_, i) => start + i);
}

it('blends each picture with another one of its batch, by one weight', async () => {
  const batches = await mixturesOf(pictures);
  expect(batches).toHaveLength(6);
  const weights = new Set<number>();
  for (const { inputs } of batches) {
    const values = inputs.pictures.data as Uint8Array;
    for (let row = 0; row < BATCH; row++) {
      const [first, ...rest] = values.subarray(row * 6, row * 6 + 6);
      // Channels of a sample are consecutive numbers, and so are those of any blend by one weight.
      expect(rest).toEqual([1, 2, 3, 4, 5].map((more) => first + more));
      weights.add(first);
    }
  }
  // 24 blends, few of which are one of the twelve pictures again.
  expect([...weights].filter((value) => value % 10 !== 0).length).toBeGreaterThan(8);
});

it('goes on with another text of the batch from a cut within both, with its types and its end', async () => {
  const origins: number[][] = [];
  for (const { inputs } of await mixturesOf(texts)) {
    const [ids, types, mask] = [inputs.ids, inputs.types, inputs.mask].map(({ data }) => data);
    for (let row = 0; row < BATCH; row++) {
      const length = textLength(mask as Float32Array, row, TOKENS);
      const own = Array.from(ids.subarray(row * TOKENS, row * TOKENS + length), Number);
      const from = own.map((id) => Math.floor((id - 1) / 100));
      const last = from[from.length - 1];
      // Each token stands where it stood, the first ones from one text, the others from one that ends there.
      expect(own).toEqual(from.map((text, token) => 100 * text + token + 1));
      expect(from).toEqual(from.map((_, token) => (token < from.lastIndexOf(from[0]) + 1 ? from[0] : last)));
      expect(length).toBe(lengthOf(last));
      expect(Array.from(types.subarray(row * TOKENS, row * TOKENS + length))).toEqual(
        from.map((_, t) => Number(t >= 2)),
      );
      expect(Array.from(ids.subarray(row * TOKENS + length, (row + 1) * TOKENS))).toEqual(
        Array(TOKENS - length).fill(0),
      );
      origins.push([...new Set(from)]);
    }
  }
  expect(origins).toHaveLength(16);
  expect(origins.filter(({ length }) => length === 2).length).toBeGreaterThan(4);
});

it('makes the same ones for a seed and an epoch, others for others', async () => {
  const all = await Promise.all(
    [{}, {}, { epoch: 1 }, { seed: 6 }].map(async (options) =>
      (await mixturesOf(pictures, options)).map(({ inputs }) => [...inputs.pictures.data]),
    ),
  );
  expect(all[1]).toEqual(all[0]);
  expect(all[2]).not.toEqual(all[0]);
  expect(all[3]).not.toEqual(all[0]);
});
