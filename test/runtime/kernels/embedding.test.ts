import { describe, expect, it } from 'vitest';
import { EMBEDDING_CASES } from './embedding.cases.ts';
import { BUILDS, testCases } from './expect-case.ts';

testCases(EMBEDDING_CASES);

describe.each(BUILDS)('$name', ({ side }) => {
  it.each([3, 4, 1000, 2 ** 31 - 1, -1, -(2 ** 31)])('id %i of a vocabulary of 3 reads its last row', (id) => {
    side.run({
      kernel: 'textEmbedding', name: 'beyond the vocabulary', run: () => {
        const [ids, types] = [side.put(Int32Array.of(0, id)), side.put(Int32Array.of(0, id))];
        const word = side.put(Float32Array.of(10, 20, 30));
        const position = side.put(Float32Array.of(1, 2));
        const type = side.put(Float32Array.of(100, 200));
        const out = side.floats(2);
        side.kernels.textEmbedding(ids, types, word, 0, position, 0, type, 0, out.byteOffset, 2, 1, 3, 2, 2);
        expect([...out]).toEqual([10 + 1 + 100, 30 + 2 + 200]);
        return {};
      },
    });
  });
});
