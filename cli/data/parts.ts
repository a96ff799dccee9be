/** The parts of a data set by the names that people give them, whatever the case. */

/** What a part is for. */
export type PartName = 'train' | 'validation' | 'test';

const WORDS: Readonly<Record<string, PartName>> = {
  train: 'train',
  training: 'train',
  validation: 'validation',
  valid: 'validation',
  val: 'validation',
  dev: 'validation',
  development: 'validation',
  test: 'test',
  testing: 'test',
  eval: 'test',
  evaluation: 'test',
};

/** The parts that may judge, the first that is there: a test part is often without labels, or kept for the end. */
export const JUDGING_PARTS = ['validation', 'test'] as const satisfies readonly PartName[];

/** The part whose name this is (`Training`, `valid`, `test_set`); null where it is another name. */
export function partNamed(name: string): PartName | null {
  const word = name.toLowerCase().replace(/[-_ ]?(set|data|split|images|pictures)$/, '');
  return Object.hasOwn(WORDS, word) ? WORDS[word] : null;
}

/** The one part that a name speaks of (`seg_train`, `train-00000-of-00002`, `x.test`); null for none or several. */
export function partWithin(name: string): PartName | null {
  const parts = new Set(name.split(/[-_. \d]+/).map(partNamed));
  parts.delete(null);
  return parts.size === 1 ? [...parts][0] : null;
}
