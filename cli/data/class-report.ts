/** What is to be known of a data set's classes before a model is trained on them. */
import { counted, someOf } from '../io/words.ts';
import type { Dataset } from './dataset.ts';
import { folded } from './text/class-names.ts';
import type { ValueSummary } from './value-summary.ts';

/** A class and its samples. */
export interface ClassCount {
  readonly label: string;
  /** Samples to train on. */
  readonly train: number;
  /** Samples that judge. */
  readonly test: number;
}

/** What is known of a part's samples once they are prepared. */
type Parts = Readonly<Record<'train' | 'test', { readonly values: readonly ValueSummary[] }>>;

/** The classes, or labels, with the samples that have them, in the data's order; none of numbers. */
export function labelCounts(data: Dataset, { train, test }: Parts): readonly ClassCount[] {
  if (data.problemType !== 'multi_label_classification') return classCounts(data);
  return data.labels.map((label, i) => ({
    label,
    train: train.values[i]?.positives ?? 0,
    test: test.values[i]?.positives ?? 0,
  }));
}

/** What is to be known of labels before training, in sentences for the user. */
export function labelNotices(data: Dataset, parts: Parts): readonly string[] {
  switch (data.problemType) {
    case 'single_label_classification':
      return classNotices(classCounts(data));
    case 'multi_label_classification':
      return severalNotices(labelCounts(data, parts), data.train.size, data.test.size);
    case 'regression':
      return data.labels.map((label, i) => numberNotice(label, parts.train.values[i], parts.test.values[i]));
    default:
      return data.problemType satisfies never;
  }
}

/** The classes in the data's order; none where samples have several labels, or numbers. */
export function classCounts(data: Dataset): readonly ClassCount[] {
  if (data.problemType !== 'single_label_classification') return [];
  const [train, test] = (['train', 'test'] as const).map((part) =>
    data.kind === 'text' ? data[part].counts! : pictureCounts(data, part),
  );
  return data.labels.map((label, i) => ({ label, train: train[i], test: test[i] }));
}

function pictureCounts(data: Extract<Dataset, { readonly kind: 'image' }>, part: 'train' | 'test'): readonly number[] {
  const counts = data.labels.map(() => 0);
  for (let i = 0; i < data[part].size; i++) counts[data[part].label(i) as number]++;
  return counts;
}

/** So many classes are listed; of more the largest and the smallest. */
const LISTED = 20;

/** From there on the smallest class is likely to be given up for the largest. */
const IMBALANCE = 5;

/** All of it in sentences for the user: every class with its samples, imbalance, and names that are hardly two. */
export function classNotices(counts: readonly ClassCount[]): readonly string[] {
  if (counts.length === 0) return [];
  return [
    `${counted(counts.length, 'class', 'classes')}, each with its samples to train on + to judge by: ${listOf(counts)}.`,
    ...imbalanceNotice(counts),
    ...alikeNotices(counts.map(({ label }) => label)),
  ];
}

/** The same of any number of labels: those that all samples have, or none, teach nothing. */
function severalNotices(counts: readonly ClassCount[], train: number, test: number): readonly string[] {
  const named = (wanted: number): string =>
    someOf(
      counts.filter((count) => count.train === wanted).map(({ label }) => label),
      LISTED,
    );
  const [none, all] = [named(0), named(train)];
  return [
    `${counted(counts.length, 'label')}, each with those that have it of ${train} samples to train on + ` +
      `${test} to judge by: ${listOf(counts)}.`,
    ...(none === '' ? [] : [`No sample to train on has ${none}: a model learns never to give it.`]),
    ...(all === '' ? [] : [`Every sample to train on has ${all}: a model learns always to give it.`]),
    ...alikeNotices(counts.map(({ label }) => label)),
  ];
}

function numberNotice(label: string, train?: ValueSummary, test?: ValueSummary): string {
  const shown = (values: ValueSummary | undefined): string =>
    values === undefined
      ? 'none'
      : [values.least, values.mean, values.most].map((value) => String(Number(value.toPrecision(5)))).join(', ');
  const isStill = train !== undefined && train.least === train.most;
  return (
    `${label}: the least, the mean and the largest are ${shown(train)} to train on, ${shown(test)} to judge by.` +
    `${isStill ? ' It is always the same: there is nothing to learn.' : ''}`
  );
}

/** Each with its samples; of many the largest and the smallest. */
function listOf(counts: readonly ClassCount[]): string {
  const shown = ({ label, train, test }: ClassCount): string => `${label} ${train} + ${test}`;
  if (counts.length <= LISTED) return counts.map(shown).join(', ');
  const bySize = [...counts].sort((a, b) => b.train - a.train);
  const ends = [bySize.slice(0, LISTED / 2), bySize.slice(-LISTED / 2)];
  return ends.map((end) => end.map(shown).join(', ')).join(' ... ');
}

/**
 * The largest class where it is far larger than the smallest: what always answers it is right for a share `accuracy`.
 */
export function dominantClass(
  counts: readonly ClassCount[],
): { readonly label: string; readonly accuracy: number; readonly smallest: ClassCount } | null {
  if (counts.length === 0) return null;
  const bySize = [...counts].sort((a, b) => b.train - a.train);
  const [largest, smallest] = [bySize[0], bySize[bySize.length - 1]];
  if (largest.train < IMBALANCE * smallest.train) return null;
  const judging = counts.reduce((sum, { test }) => sum + test, 0);
  return { label: largest.label, accuracy: judging === 0 ? 0 : largest.test / judging, smallest };
}

function imbalanceNotice(counts: readonly ClassCount[]): readonly string[] {
  const dominant = dominantClass(counts);
  if (dominant === null) return [];
  const { label, accuracy, smallest } = dominant;
  const largest = counts.find((one) => one.label === label)!;
  return [
    `The classes are uneven: ${label} has ${counted(largest.train, 'sample')} to train on, ` +
      `${smallest.label} has ${smallest.train}. ` +
      `What always answers ${label} has an accuracy of ${(100 * accuracy).toFixed(2)} %: look at each class.`,
  ];
}

/** Names that differ by case or spaces, or are the same number, and names of nothing. */
function alikeNotices(labels: readonly string[]): readonly string[] {
  const groups = new Map<string, string[]>();
  for (const label of labels) {
    const key = plain(label);
    groups.set(key, [...(groups.get(key) ?? []), label]);
  }
  const alike = [...groups.values()].filter((group) => group.length > 1);
  const missing = labels.filter((label) => /^(nan|null|none|n\/?a|undefined|unknown|\?|-)$/i.test(label));
  return [
    ...(alike.length === 0
      ? []
      : [
          `Are these one class each? ${alike.map((group) => group.join(' and ')).join('; ')}. They count as different.`,
        ]),
    ...(missing.length === 0
      ? []
      : [`Does ${missing.join(' or ')} stand for a label that is missing? It counts as a class.`]),
  ];
}

function plain(label: string): string {
  const text = folded(label);
  return text !== '' && Number.isFinite(Number(text)) ? String(Number(text)) : text;
}
