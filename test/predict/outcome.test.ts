import { describe, expect, it } from 'vitest';
import { askedLabels, outcomeColumns } from '../../cli/predict/outcome.ts';

const predictions = [
  { label: 'b', score: 0.75 },
  { label: 'a', score: 0.25 },
];
const answer = { answer: { predictions } };
const problem = { problem: 'no text' };

describe('the columns of answers', () => {
  it('are the best labels of a model for one', () => {
    const info = { labels: ['a', 'b', 'c'], problemType: 'single_label_classification' } as const;
    const { names, types, cells } = outcomeColumns(info, 2, ['text', 'score']);
    expect(names).toEqual([
      'predicted_label',
      'predicted_score',
      'predicted_label_2',
      'predicted_score_2',
      'predicted_error',
    ]);
    expect(Object.values(types)).toEqual(['STRING', 'DOUBLE', 'STRING', 'DOUBLE', 'STRING']);
    expect(Object.values(cells(answer))).toEqual(['b', 0.75, 'a', 0.25, null]);
    expect(Object.values(cells(problem))).toEqual([null, null, null, null, 'no text']);
    expect(askedLabels(info, 9)).toBe(3);
  });

  it.each(['multi_label_classification', 'regression'] as const)('are the labels of a model for %s', (problemType) => {
    const info = { labels: ['a', 'b'], problemType };
    expect(askedLabels(info, 1)).toBe(2);
    const { names, types, cells } = outcomeColumns(info, 1, ['text']);
    expect(names).toEqual(['a', 'b', 'error']);
    expect(types).toEqual({ a: 'DOUBLE', b: 'DOUBLE', error: 'STRING' });
    expect(cells(answer)).toEqual({ a: 0.25, b: 0.75, error: null });
    expect(cells(problem)).toEqual({ a: null, b: null, error: 'no text' });
    expect(outcomeColumns(info, 1, ['a']).names).toEqual(['predicted_a', 'predicted_b', 'predicted_error']);
  });

  it('are no label twice', () => {
    const info = { labels: ['a', 'a'], problemType: 'multi_label_classification' } as const;
    expect(() => outcomeColumns(info, 1, [])).toThrow("the model's labels would be columns, and a would be one twice");
  });
});
