import { describe, expect, it } from 'vitest';
import { readConfigFields } from '../../cli/pretrained/config-fields.ts';

const typeOf = (config: object): string => readConfigFields(config, 'config.json').problemType();

describe('what a head answers', () => {
  /** As TextClassificationPipeline.postprocess of transformers 5.18 chooses between nothing, sigmoid and softmax. */
  it.each<[string, object, string]>([
    ['several labels', { num_labels: 3 }, 'single_label_classification'],
    ['no number of labels', {}, 'single_label_classification'],
    ['one output', { num_labels: 1 }, 'multi_label_classification'],
    ['one named output', { id2label: { 0: 'relevance' } }, 'multi_label_classification'],
    ['null', { id2label: { 0: 'relevance' }, problem_type: null }, 'multi_label_classification'],
    ['one number', { num_labels: 1, problem_type: 'regression' }, 'regression'],
    ['several numbers', { num_labels: 2, problem_type: 'regression' }, 'regression'],
    [
      'many labels at once',
      { num_labels: 4, problem_type: 'multi_label_classification' },
      'multi_label_classification',
    ],
  ])('is what its pipeline takes it for: %s', (_, config, expected) => {
    expect(typeOf(config)).toBe(expected);
  });

  it('is refused where one label would have to be told from none, or where it is unknown', () => {
    expect(() => typeOf({ num_labels: 1, problem_type: 'single_label_classification' })).toThrow(
      'single_label_classification with one label',
    );
    expect(() => typeOf({ problem_type: 'ranking' })).toThrow(
      'expected problem_type to be single_label_classification',
    );
  });
});
