import { describe, expect, it } from 'vitest';
import { fitPicture } from '../../runtime/preprocess/fit.ts';
import { prepareImage } from '../../runtime/preprocess/normalize.ts';
import type { Picture } from '../../runtime/preprocess/picture.ts';
import { cropPicture } from '../../runtime/preprocess/picture.ts';
import type { ImagePreprocess } from '../../runtime/preprocess/spec.ts';
import { defaultImagePreprocess } from '../../runtime/preprocess/spec.ts';

/** Pixel (x, y) is (x, y, 7). */
function ramp(width: number, height: number): Picture {
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) data.set([i % width, Math.floor(i / width), 7], i * 3);
  return { width, height, data };
}

describe('cropPicture', () => {
  it('takes a window', () => {
    expect([...cropPicture(ramp(4, 3), 1, 2, { width: 2, height: 1 }).data]).toEqual([1, 2, 7, 2, 2, 7]);
  });

  it('is black outside', () => {
    expect([...cropPicture(ramp(2, 1), -1, 0, { width: 3, height: 2 }).data]).toEqual([
      0,
      0,
      0,
      0,
      0,
      7,
      1,
      0,
      7,
      ...new Array(9).fill(0),
    ]);
    expect([...cropPicture(ramp(2, 2), 5, 0, { width: 1, height: 1 }).data]).toEqual([0, 0, 0]);
  });
});

describe('fitPicture', () => {
  const spec: ImagePreprocess = { ...defaultImagePreprocess({ width: 2, height: 2 }), resize: { mode: 'none' } };

  it('crops around the centre', () => {
    expect([...fitPicture(ramp(6, 4), spec).data]).toEqual([2, 1, 7, 3, 1, 7, 2, 2, 7, 3, 2, 7]);
  });

  it('keeps the aspect ratio with a shortest edge, the longer one rounded down', () => {
    const shortest: ImagePreprocess = {
      ...spec,
      size: { width: 13, height: 10 },
      resize: { mode: 'shortest-edge', edge: 10 },
    };
    // 40×30 becomes 13.33×10: 13×10, so that nothing is cropped and the last column is not black.
    expect(fitPicture(ramp(40, 30), shortest).data.at(-1)).toBe(7);
  });

  it('refuses a sliver that would become huge', () => {
    const shortest: ImagePreprocess = { ...spec, resize: { mode: 'shortest-edge', edge: 224 } };
    expect(() => fitPicture(ramp(1, 200), shortest)).toThrow(expect.objectContaining({ code: 'too-large' }));
  });
});

describe('prepareImage', () => {
  it('gives channels first, (byte / 255 - mean) / std', () => {
    const spec: ImagePreprocess = {
      ...defaultImagePreprocess({ width: 2, height: 1 }),
      mean: [0.4914, 0.4822, 0.4465],
      std: [0.247, 0.2435, 0.2616],
    };
    const picture: Picture = { width: 2, height: 1, data: Uint8Array.of(0, 128, 255, 51, 102, 153) };
    // numpy: x = (bytes * (1 / 255)).astype(float32); (x - mean.astype(float32)) / std.astype(float32), equal to the
    // last bit
    const expected = [
      -1.9894737005233765, -1.1797571182250977, 0.0811532586812973, -0.3375769853591919, 2.115825891494751,
      0.5867738127708435,
    ];
    expect([...prepareImage(picture, spec)]).toEqual(expected);
  });

  it('writes into a batch at an offset', () => {
    const spec = defaultImagePreprocess({ width: 1, height: 1 });
    const out = new Float32Array(6);
    expect(prepareImage({ width: 1, height: 1, data: Uint8Array.of(0, 255, 0) }, spec, out, 3)).toBe(out);
    expect([...out]).toEqual([0, 0, 0, -1, 1, -1]);
  });
});
