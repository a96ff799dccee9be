import { describe, expect, it } from 'vitest';
import { ambiguousClass, classIndices, classOrder } from '../../cli/pretrained/labels.ts';

describe('labels that occur twice', () => {
  const model = ['crane', 'emu', 'crane', 'owl'];

  it('are told apart by their order', () => {
    expect(classIndices(model, model)).toEqual([0, 1, 2, 3]);
    expect(classOrder(model, ['owl', 'crane', 'crane', 'emu'])).toEqual([3, 0, 2, 1]);
  });

  it('are others where one of them is missing', () => {
    expect(classOrder(model, ['crane', 'emu', 'owl', 'jay'])).toBeNull();
    expect(classIndices(['a', 'b'], ['a', 'a'])).toEqual([0, -1]);
  });

  it('can not be told apart by one of their name', () => {
    expect(ambiguousClass(model, ['emu', 'crane'])).toBe('crane');
    expect(ambiguousClass(model, ['emu', 'owl'])).toBeNull();
    expect(ambiguousClass(model, model)).toBeNull();
  });

  it('are found by place where they are made up', () => {
    expect(classIndices(['LABEL_0', 'LABEL_1'], ['no', 'yes'])).toEqual([0, 1]);
  });
});
