import { describe, expect, it } from 'vitest';
import { absorb } from '../../cli/compress/absorb.ts';
import { layOut, type Slot } from '../../cli/compress/arena.ts';
import { planOf } from '../../cli/compress/plan.ts';
import { quantizeTensors } from '../../cli/compress/quantize.ts';
import { storedTensors } from '../../cli/compress/stored-tensors.ts';
import { add } from '../../cli/graph/ops/binary.ts';
import { input } from '../../cli/graph/ops/leaf.ts';
import { linear } from '../../cli/graph/ops/linear.ts';
import { relu } from '../../cli/graph/ops/relu.ts';
import { softmax } from '../../cli/graph/ops/softmax.ts';
import type { Step } from '../../runtime/artifact/plan.ts';
import { random } from '../../runtime/random.ts';
import { smallBert, TOKENS, VOCABULARY } from './small-bert.ts';
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
      slots.reduce((sum, slot) => sum + (slot.first <= t && t <= slot.last ? slot.bytes : 0), 0),
    );
    expect(arenaBytes).toBeLessThan(1.25 * Math.max(...alive));
  });
});

describe('the plan', () => {
  it('of a dense f32 model runs activations and sums in the calls of linear layers', () => {
    const { logits, values } = smallVit('dense');
    const { steps, inputs, tokens } = planOf(logits, storedTensors(logits, values));
    const block = ['layerNorm', 'linear', 'linear', 'linear', 'attention', 'linear', 'layerNorm', 'linear', 'linear'];
    expect(steps.map(({ op }) => op)).toEqual([
      'patchify',
      'linear',
      'tokens',
      ...block,
      ...block,
      ...block,
      'selectRow',
      'layerNorm',
      'linear',
    ]);
    const [up, down] = steps.slice(10, 12) as Step<'linear'>[];
    expect([up.activation, up.residual, down.activation]).toEqual(['gelu', null, 'none']);
    expect(down.residual).toBe((steps[9] as Step<'layerNorm'>).x);
    expect(inputs).toEqual([
      { name: 'pixels', dtype: 'F32', offset: expect.any(Number) as number, shape: [1, 3, 12, 20] },
    ]);
    expect(tokens).toBeNull();
  });

  it('of an int8 model quantizes in the call that computes, and only what int8 layers read', () => {
    const { logits, values } = smallVit('low-rank');
    const { steps } = planOf(logits, quantizeTensors(storedTensors(logits, values), logits));
    const block = [
      'layerNorm',
      'lowRankInt8',
      'lowRankInt8',
      'lowRankInt8',
      'attentionInt16',
      'quantizeRows',
      'lowRankInt8',
      'layerNorm',
      'lowRankInt8',
      'lowRankInt8',
    ];
    expect(steps.map(({ op }) => op)).toEqual([
      'patchify',
      'quantizeRows',
      'linearInt8',
      'tokens',
      ...block,
      ...block,
      ...block,
      'selectRow',
      'layerNorm',
      'linearInt8',
    ]);
    const [norm, query, , , , , out, , up, down] = steps.slice(4) as [Step<'layerNorm'>, ...Step<'lowRankInt8'>[]];
    expect(norm.out).toBeNull();
    expect(query.x).toBe(norm.quantized);
    expect([query.out === null, query.quantized]).toEqual([false, null]);
    expect([out.out === null, out.quantized]).toEqual([false, null]);
    expect([up.out, up.activation, up.quantized === down.x]).toEqual([null, 'gelu', true]);
  });

  it('of a text follows its length', () => {
    const { logits, values } = smallBert();
    const { steps, tokens, inputs } = planOf(logits, quantizeTensors(storedTensors(logits, values), logits));
    expect(tokens).toBe(11);
    expect(inputs.map(({ name, dtype, shape }) => [name, dtype, shape])).toEqual([
      ['ids', 'I32', [1, 11]],
      ['types', 'I32', [1, 11]],
    ]);
    expect(steps.find(({ op }) => op === 'attentionInt16')).toMatchObject({ queries: 'tokens', tokens: 'tokens' });
    // Post-norm: what a layer norm gives is both an int8 layer's input and a residual.
    const norm = steps.find(({ op }) => op === 'layerNorm') as Step<'layerNorm'>;
    expect([norm.rows, norm.out === null, norm.quantized === null]).toEqual(['tokens', false, false]);
    expect(steps.slice(-2)).toMatchObject([
      { op: 'linearInt8', rows: 1, activation: 'tanh' },
      { op: 'linearInt8', rows: 1, out: expect.any(Number) as number },
    ]);
  });

  it('of a text adds up words, places and types in the calls that look them up', () => {
    const { logits, values } = smallBert();
    const { steps, inputs } = planOf(logits, storedTensors(logits, values));
    const [types, places, words, norm] = steps as [
      Step<'embedding'>,
      Step<'embedding'>,
      Step<'embedding'>,
      Step<'layerNorm'>,
    ];
    const [ids, typeIds] = inputs.map(({ offset }) => offset);
    const sizes = { op: 'embedding', rows: 'tokens', columns: 36 };
    expect(types).toMatchObject({ ...sizes, ids: typeIds, table: 'embedding.type', entries: 2, residual: null });
    expect(places).toMatchObject({
      ...sizes,
      ids: null,
      table: 'embedding.position',
      entries: 13,
      residual: types.out,
    });
    expect(words).toMatchObject({ ...sizes, ids, table: 'embedding.word', entries: VOCABULARY, residual: places.out });
    expect(norm).toMatchObject({ op: 'layerNorm', x: words.out });
  });

  it.each(['f32', 'int8'])(
    'of a word table of two factors is a lookup of narrow rows and a linear layer, in %s',
    (precision) => {
      const { logits, values } = smallBert(TOKENS, { embeddingRank: 5 });
      const { logits: absorbed, derive } = absorb(logits);
      const stored = derive(storedTensors(logits, values));
      const { steps } = planOf(absorbed, precision === 'int8' ? quantizeTensors(stored, absorbed) : stored);
      const front = steps.slice(
        0,
        steps.findIndex(({ op }) => op === 'layerNorm'),
      );
      const words = front.find(
        (step) => step.op === 'embedding' && step.table === 'embedding.word.loraB',
      ) as Step<'embedding'>;
      const places = front.find(
        (step) => step.op === 'embedding' && step.table === 'embedding.position',
      ) as Step<'embedding'>;
      expect(words).toMatchObject({ rows: 'tokens', columns: 5, entries: VOCABULARY, residual: null });
      expect(front.map(({ op }) => op).sort()).toEqual(
        [
          ...(precision === 'int8' ? ['linearInt8', 'quantizeRows'] : ['linear']),
          'embedding',
          'embedding',
          'embedding',
        ].sort(),
      );
      expect(front.at(-1)).toMatchObject({
        op: precision === 'int8' ? 'linearInt8' : 'linear',
        weight: 'embedding.word.absorbed.loraA',
        bias: null,
        residual: places.out,
        rows: 'tokens',
        inputs: 5,
        outputs: 36,
      });
    },
  );

  it('runs a ReLU in the call of the linear layer before it', () => {
    const [x, w, b] = [input('x', [2, 9]), input('w', [7, 9]), input('b', [7])];
    const tensors = storedTensors(
      linear(x, w, b, 'hidden'),
      new Map([
        ['w', new Float32Array(63)],
        ['b', new Float32Array(7)],
      ]),
    );
    const hidden = relu(linear(x, w, b, 'hidden'));
    expect(planOf(hidden, tensors).steps).toMatchObject([{ op: 'linear', activation: 'relu' }]);
    expect(planOf(hidden, quantizeTensors(tensors, hidden)).steps).toMatchObject([
      { op: 'quantizeRows' },
      { op: 'linearInt8', activation: 'relu' },
    ]);
    expect(planOf(relu(add(hidden, hidden)), tensors).steps).toMatchObject([
      { op: 'linear', activation: 'relu' },
      { op: 'add' },
      { op: 'relu', rows: 2, columns: 7 },
    ]);
  });

  it('names what the runtime has no kernel for', () => {
    expect(() => planOf(softmax(input('x', [1, 4])), new Map())).toThrow(
      'the runtime has no kernel for softmax of shape [1,4]',
    );
  });
});
