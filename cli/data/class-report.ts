/** What is to be known of a data set's classes before a model is trained on them. */
import { counted } from '../io/words.ts';
import type { Dataset } from './dataset.ts';
import { folded } from './text/class-names.ts';

/** A class and its samples. */
export interface ClassCount {
  readonly label: string;
  /** Samples to train on. */
  readonly train: number;
  /** Samples that judge. */
  readonly test: number;
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
  const shown = ({ label, train, test }: ClassCount): string => `${label} ${train} + ${test}`;
  const bySize = [...counts].sort((a, b) => b.train - a.train);
  const listed =
    counts.length <= LISTED
      ? counts.map(shown).join(', ')
      : `${bySize
          .slice(0, LISTED / 2)
          .map(shown)
          .join(', ')} ... ${bySize
          .slice(-LISTED / 2)
          .map(shown)
          .join(', ')}`;
  return [
    `${counted(counts.length, 'class', 'classes')}, each with its samples to train on + to judge by: ${listed}.`,
    ...imbalanceNotice(counts),
    ...alikeNotices(counts.map(({ label }) => label)),
  ];
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
