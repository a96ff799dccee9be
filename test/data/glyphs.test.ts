import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { openGlyphs } from '../../cli/data/glyphs.ts';

describe('openGlyphs', () => {
  it('draws ten balanced classes at 32×32', async () => {
    const { labels, train, test, skipped } = openGlyphs('glyphs:200')!;
    expect(labels).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
    expect([train.size, test.size, skipped]).toEqual([200, 1000, 0]);
    const counts = new Array(10).fill(0);
    for (let i = 0; i < train.size; i++) counts[train.label(i) as number]++;
    expect(counts).toEqual(new Array(10).fill(20));
    expect(await train.picture(0)).toMatchObject({ width: 32, height: 32 });
  });

  it('draws the same bytes everywhere, whatever the size of the split', async () => {
    const few = openGlyphs('glyphs:10')!.train;
    const many = openGlyphs('glyphs:50')!.train;
    const digest = createHash('sha256');
    for (let i = 0; i < few.size; i++) {
      const { data } = await few.picture(i);
      expect((await many.picture(i)).data).toEqual(data);
      digest.update(data);
    }
    expect(digest.digest('hex').slice(0, 16)).toBe('ce60e50ac3fd37c8');
  });

  it('never draws a test picture that is a training picture', async () => {
    const { train, test } = openGlyphs('glyphs:100')!;
    expect((await train.picture(0)).data).not.toEqual((await test.picture(0)).data);
  });

  it('leaves other names alone and refuses odd sizes', () => {
    expect(openGlyphs('./glyphs')).toBeNull();
    expect(() => openGlyphs('glyphs:few')).toThrow('whole number from 10');
    expect(() => openGlyphs('glyphs:')).toThrow('whole number from 10');
  });
});
