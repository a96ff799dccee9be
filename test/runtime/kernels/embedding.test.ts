import { describe, expect, it } from 'vitest';
import { EMBEDDING_CASES } from './embedding.cases.ts';
import { BUILDS, testCases } from './expect-case.ts';

testCases(EMBEDDING_CASES);

describe.each(BUILDS)('$name', ({ side }) => {
  it.each([3, 4, 1000, 2 ** 31 - 1, -1, -(2 ** 31)])('id %i of a vocabulary of 3 reads its last row', (id) => {
    side.run({
      kernel: 'embedding',
      name: 'beyond the vocabulary',
      run: () => {
        const [ids, table, residual] = [
          side.put(Int32Array.of(0, id)),
          side.put(Float32Array.of(10, 20, 30)),
          side.put(Float32Array.of(1, 2)),
        ];
        const out = side.floats(2);
        side.kernels.embedding(ids, table, 0, residual, out.byteOffset, 2, 1, 3);
        expect([...out]).toEqual([10 + 1, 30 + 2]);
        return {};
      },
    });
  });

  it('without ids reads row after row, and beyond the table its last', () => {
    side.run({
      kernel: 'embedding',
      name: 'places',
      run: () => {
        const [table, scales] = [side.put(Int8Array.of(1, -2, 3, 127, -128, 0)), side.put(Float32Array.of(0.5, 0.25))];
        const out = side.floats(9);
        side.kernels.embedding(0, table, scales, 0, out.byteOffset, 3, 3, 2);
        expect([...out]).toEqual([0.5, -1, 1.5, 31.75, -32, 0, 31.75, -32, 0]);
        return {};
      },
    });
  });
});
