import { describe, expect, it } from 'vitest';
import { interpolatePositions } from '../../cli/pretrained/interpolate.ts';
import { expectClose } from '../support/compare.ts';

/**
 * Made with PyTorch 2.13.0 in float64, for a grid (h, w) of width D resized to (H, W):
 *   x = torch.sin(torch.arange(h * w * D).double()).reshape(1, h, w, D).permute(0, 3, 1, 2)
 *   F.interpolate(x, size=(H, W), mode='bicubic', align_corners=False).permute(0, 2, 3, 1).flatten()
 */
const torch: [h: number, w: number, H: number, W: number, D: number, expected: number[]][] = [
  [
    2,
    3,
    4,
    4,
    2,
    [
      -0.033076, 0.914646, 0.77143, 0.49946, 0.391161, -0.354225, -0.899837, -1.031189, -0.134418, 0.842536, 0.750161,
      0.546326, 0.446736, -0.284968, -0.826024, -1.052261, -0.301334, 0.723767, 0.715129, 0.623517, 0.538272, -0.170897,
      -0.70445, -1.086969, -0.402676, 0.651657, 0.69386, 0.670383, 0.593848, -0.10164, -0.630636, -1.108041,
    ],
  ],
  [
    5,
    4,
    3,
    7,
    1,
    [
      -0.388221, -0.174984, 0.151745, 0.438639, 0.557176, 0.46972, 0.380278, 1.04663, 0.851468, 0.489311, -0.07732,
      -0.614275, -0.903422, -1.04523, -0.443516, -0.501661, -0.540591, -0.377194, -0.069024, 0.248212, 0.450346,
    ],
  ],
  [1, 1, 2, 3, 2, [0, 0.841471, 0, 0.841471, 0, 0.841471, 0, 0.841471, 0, 0.841471, 0, 0.841471]],
  [
    7,
    7,
    4,
    4,
    1,
    [
      0.477134, 0.684905, -0.788474, -0.34468, 0.908745, -0.529327, -0.781724, 0.767964, 0.061782, -0.992074, 0.322239,
      0.794873, -0.878482, -0.05575, 0.978488, -0.30161,
    ],
  ],
];

describe('interpolatePositions', () => {
  it.each(torch)(
    'resizes %d×%d to %d×%d (width %d) as PyTorch does, and keeps the class token',
    (h, w, H, W, D, expected) => {
      const classToken = Array.from({ length: D }, (_, i) => 100 + i);
      const position = Float32Array.from([...classToken, ...Array.from({ length: h * w * D }, (_, i) => Math.sin(i))]);
      const resized = interpolatePositions(position, D, { height: h, width: w }, { height: H, width: W });
      expect([...resized.subarray(0, D)]).toEqual(classToken);
      expectClose(resized.subarray(D), expected, 2e-6, 'grid'); // the golden numbers have six decimals
    },
  );

  it('changes nothing where the grid stays', () => {
    const position = Float32Array.from({ length: 1 + 6 }, (_, i) => Math.cos(i));
    expect(interpolatePositions(position, 1, { height: 2, width: 3 }, { height: 2, width: 3 })).toEqual(position);
  });
});
