import { describe, expect, it } from 'vitest';
import { layOut, type Slot } from '../../cli/compress/arena.ts';
import { planOf } from '../../cli/compress/plan.ts';
import { quantizeTensors } from '../../cli/compress/quantize.ts';
import { storedTensors } from '../../cli/compress/stored-tensors.ts';
import { input } from '../../cli/graph/ops/leaf.ts';
import { softmax } from '../../cli/graph/ops/softmax.ts';
import { random } from '../../runtime/random.ts';
import { smallVit } from './small-vit.ts';

describe('the arena', () => {
  const slots: Slot[] = Array.from({ length: 200 }, (_, i) => {
    const source = random(i);
    const first = source.below(100);
    return { bytes: 1 + source.below(5000), first, last: first + source.below(10) };
  });
  const { offsets, arenaBytes } = layOut(slots);

  it('keeps apart what lives at the same time, at multiples of 16', () => {
    for (const a of slots) {
      const at = offsets.get(a) as number;
      expect(at % 16).toBe(0);
      expect(at + a.bytes).toBeLessThanOrEqual(arenaBytes);
      for (const b of slots) {
        if (a === b || a.first > b.last || b.first > a.last) continue;
        const other = offsets.get(b) as number;
        expect(at + a.bytes <= other || other + b.bytes <= at).toBe(true);
      }
    }
  });

  it('needs little more than the most that lives at once', () => {
    const alive = Array.from({ length: 110 }, (_, t) =>
      slots.reduce((sum, slot) => sum + (slot.first <= t && t <= slot.last ? slot.bytes : 0), 0));
    expect(arenaBytes).toBeLessThan(1.25 * Math.max(...alive));
  });
});

describe('the plan', () => {
  it('of a dense f32 model is one kernel call a node', () => {
    const { logits, values } = smallVit('dense');
    const { once, steps } = planOf(logits, storedTensors(logits, values));
    expect(once).toEqual([]);
    const block = [
      'layerNorm', 'linear', 'linear', 'linear', 'attention', 'linear', 'add', 'layerNorm', 'linear', 'gelu', 'linear', 'add',
    ];
    expect(steps.map(({ op }) => op)).toEqual([
      'patchify', 'linear', 'tokens', ...block, ...block, ...block, 'selectRow', 'layerNorm', 'linear',
    ]);
  });

  it('of an int8 model quantizes the input of query, key and value once', () => {
    const { logits, values } = smallVit('dense');
    const { once, steps } = planOf(logits, quantizeTensors(storedTensors(logits, values), logits));
    expect(once).toHaveLength(20);
    expect(steps.slice(5, 9).map(({ op }) => op)).toEqual(['quantizeRows', 'linearInt8', 'linearInt8', 'linearInt8']);
    expect(steps.filter(({ op }) => op === 'quantizeRows')).toHaveLength(2 + 3 * 4);
  });

  it('names what the runtime has no kernel for', () => {
    expect(() => planOf(softmax(input('x', [1, 4])), new Map())).toThrow('the runtime has no kernel for softmax of shape [1,4]');
  });
});
