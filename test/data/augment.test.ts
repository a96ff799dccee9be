import { describe, expect, it } from 'vitest';
import { augmentPicture, noAugment, parseAugment } from '../../cli/data/augment.ts';
import { UserError } from '../../cli/io/errors.ts';
import type { Picture } from '../../runtime/preprocess/picture.ts';
import { defaultImagePreprocess } from '../../runtime/preprocess/spec.ts';
import { random } from '../../runtime/random.ts';

const spec = defaultImagePreprocess({ width: 3, height: 2 });
/** Red counts the pixels: 1 2 3 / 4 5 6. */
const picture: Picture = {
  width: 3,
  height: 2,
  data: Uint8Array.from({ length: 18 }, (_, i) => (i % 3 === 0 ? i / 3 + 1 : 0)),
};
const reds = ({ data }: Picture): string => [...data].filter((_, i) => i % 3 === 0).join(' ');
const outcomes = (flags: string): Set<string> =>
  new Set(
    Array.from({ length: 200 }, (_, i) => reds(augmentPicture(picture, parseAugment(flags), spec, random(1, i)))),
  );

describe('parseAugment', () => {
  it('reads flags', () => {
    expect(parseAugment('none')).toEqual(noAugment);
    expect(parseAugment('flip, shift:3')).toEqual({ flip: true, shift: 3, pad: null, crop: null });
    expect(parseAugment('pad:4,crop:0.6')).toEqual({ flip: false, shift: null, pad: 4, crop: 0.6 });
  });

  it.each(['turn', 'flip:2', 'shift', 'shift:1.5', 'shift:-1', 'pad:', 'crop:0', 'crop:2', ''])(
    'refuses "%s"',
    (text) => {
      expect(() => parseAugment(text)).toThrow(UserError);
      expect(() => parseAugment(text)).toThrow(
        expect.objectContaining({ exitCode: 2, hint: expect.stringContaining('shift:PIXELS') }),
      );
    },
  );
});

describe('augmentPicture', () => {
  it('leaves the picture alone when nothing is asked', () => {
    expect(outcomes('none')).toEqual(new Set(['1 2 3 4 5 6']));
  });

  it('mirrors half of the time', () => {
    expect(outcomes('flip')).toEqual(new Set(['1 2 3 4 5 6', '3 2 1 6 5 4']));
  });

  it('shifts around the edges, to every place', () => {
    expect(outcomes('shift:1')).toEqual(
      new Set(['1 2 3 4 5 6', '2 3 1 5 6 4', '3 1 2 6 4 5', '4 5 6 1 2 3', '5 6 4 2 3 1', '6 4 5 3 1 2']),
    );
  });

  it('pads with black', () => {
    const found = outcomes('pad:1');
    expect(found.size).toBe(9);
    expect(found).toContain('0 0 0 0 1 2');
    expect(found).toContain('5 6 0 0 0 0');
  });

  it("cuts windows of at least the given area and keeps the network's size", () => {
    const large: Picture = { width: 40, height: 30, data: new Uint8Array(40 * 30 * 3).fill(9) };
    for (let i = 0; i < 50; i++) {
      const result = augmentPicture(large, parseAugment('crop:0.3'), spec, random(i));
      expect([result.width, result.height]).toEqual([3, 2]);
      expect(result.data.every((value) => value === 9)).toBe(true);
    }
  });
});
