import { describe, expect, it } from 'vitest';
import { BUILDS, testCases } from './expect-case.ts';
import { normals } from './harness.ts';
import { LAYER_NORM_CASES } from './layer-norm.cases.ts';

testCases(LAYER_NORM_CASES);

describe.each(BUILDS)('$name', ({ side }) => {
  it('a row whose variance is no f32 becomes beta: its other values are nothing beside the outlier', () => {
    const columns = 17;
    const beta = normals(columns, 3);
    side.run({
      kernel: 'layerNorm',
      name: 'an outlier of 1e30',
      run: () => {
        const x = side.put(normals(columns, 1).map((v, i) => (i === 5 ? 1e30 : v)));
        const out = side.floats(columns);
        const scratch = side.scratch('layerNorm', { columns });
        side.kernels.layerNorm(
          x,
          side.put(normals(columns, 2)),
          side.put(beta),
          out.byteOffset,
          0,
          scratch,
          1,
          columns,
          1e-5,
        );
        expect(out).toEqual(beta);
        return {};
      },
    });
  });
});
