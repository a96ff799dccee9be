/** One pass over labelled and unlabelled samples takes every batch of both once, each of one kind. */
import { expect, it } from 'vitest';
import { withUnlabelled } from '../../cli/data/mixed-samples.ts';
import type { Pass } from '../../cli/data/pass.ts';
import type { Batch, Samples } from '../../cli/data/samples.ts';

/** Samples in their order, of which a batch tells rows only; counts the passes that are open. */
function counted(size: number): Samples & { open: number } {
  const samples = {
    size,
    open: 0,
    count: ({ batchSize }: Pick<Pass, 'batchSize'>) => Math.floor(size / batchSize),
    async *batches({ batchSize }: Pass): AsyncGenerator<Batch, void, void> {
      samples.open++;
      try {
        for (let at = 0; at + batchSize <= size; at += batchSize)
          yield {
            inputs: {},
            labels: new Int32Array(batchSize),
            isLabelled: true,
            size: batchSize,
            rows: Array.from({ length: batchSize }, (_, i) => at + i),
            tokens: null,
            sample: () => ({}),
          };
      } finally {
        samples.open--;
      }
    },
  };
  return samples;
}

async function pass(samples: Samples, options: Partial<Pass>): Promise<{ kinds: string; rows: number[] }> {
  let kinds = '';
  const rows: number[] = [];
  for await (const batch of samples.batches({ batchSize: 3, seed: 1, ...options })) {
    kinds += batch.isLabelled ? 'l' : 'u';
    rows.push(...batch.rows);
  }
  return { kinds, rows };
}

it('takes all of both, labelled ones first, and tells them apart by their rows', async () => {
  const mixed = withUnlabelled(counted(7), counted(10));
  expect([mixed.size, mixed.count({ batchSize: 3 })]).toEqual([17, 5]);
  expect(await pass(mixed, {})).toEqual({ kinds: 'lluuu', rows: [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15] });
});

it('mixes kinds anew in each epoch, the same for a seed', async () => {
  const mixed = withUnlabelled(counted(60), counted(120));
  const epochs = await Promise.all([0, 1, 0].map((epoch) => pass(mixed, { shuffle: true, epoch })));
  expect(epochs[0].kinds).toEqual(epochs[2].kinds);
  expect(epochs[0].kinds).not.toEqual(epochs[1].kinds);
  for (const { kinds, rows } of epochs) {
    expect([...kinds].sort().join('')).toBe('l'.repeat(20) + 'u'.repeat(40));
    // Mixed, not one after another: both halves have their share.
    expect(kinds.slice(0, 30).split('l').length - 1).toBeGreaterThan(4);
    expect(kinds.slice(0, 30).split('l').length - 1).toBeLessThan(16);
    expect([...rows].sort((a, b) => a - b)).toEqual(Array.from({ length: 180 }, (_, i) => i));
  }
});

it('ends both where it is left early', async () => {
  const [labelled, unlabelled] = [counted(30), counted(30)];
  for await (const _ of withUnlabelled(labelled, unlabelled).batches({ batchSize: 3, seed: 1, shuffle: true })) break;
  expect([labelled.open, unlabelled.open]).toEqual([0, 0]);
});
