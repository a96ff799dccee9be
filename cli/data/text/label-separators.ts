/** What may stand between the labels of a sample where one column holds several as a text. */

const MARKS = ['|', ';', ','] as const;

/** Counts the marks in the labels that it is told of, row by row. */
export interface SeparatorCount {
  add(label: string): void;
  /** The mark that most of them hold; null where there is none. */
  found(): string | null;
}

/** Nothing yet. */
export function countSeparators(): SeparatorCount {
  const counts = new Map<string, number>(MARKS.map((mark) => [mark, 0]));
  let labels = 0;
  return {
    add(label) {
      labels++;
      for (const mark of MARKS) if (label.includes(mark)) counts.set(mark, counts.get(mark)! + 1);
    },
    found: () => MARKS.find((mark) => 2 * counts.get(mark)! > labels) ?? null,
  };
}

/** What there is to ask where most of some labels hold such a mark, as a further sentence; else nothing. */
export function separatorHint(labels: readonly string[]): string {
  const count = countSeparators();
  for (const label of labels) count.add(label);
  const mark = count.found();
  return mark === null ? '' : ` Does a text hold several labels? ${separatorFlag(mark)}.`;
}

/** The flag for a mark. */
export function separatorFlag(mark: string): string {
  return `--label-separator "${mark}"`;
}
