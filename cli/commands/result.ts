import { type ClassCount, dominantClass } from '../data/class-report.ts';
import type { Dataset } from '../data/dataset.ts';
import type { Io } from '../io/io.ts';
import { printable } from '../io/printable.ts';
import { grouped, percent } from '../io/units.ts';
import { plural } from '../io/words.ts';

/** Prints a command's result: one versioned JSON object, or text for people. */
export function printResult(io: Io, json: boolean, result: Readonly<Record<string, unknown>>, text: string): void {
  io.stdout.write(json ? `${JSON.stringify({ version: 1, ...result })}\n` : `${printable(text)}\n`);
}

/** 7,000 texts */
export function samplesOf({ kind, train }: Dataset): string {
  return `${grouped(train.size)} ${plural(train.size, kind === 'image' ? 'picture' : 'text')}`;
}

/** 5 classes · 6 labels, any number at once · a number · 3 numbers */
export function labelsOf({ labels, problemType }: Pick<Dataset, 'labels' | 'problemType'>): string {
  const count = grouped(labels.length);
  switch (problemType) {
    case 'single_label_classification':
      return `${count} ${plural(labels.length, 'class', 'classes')}`;
    case 'multi_label_classification':
      return `${count} ${plural(labels.length, 'label')}, any number at once`;
    case 'regression':
      return labels.length === 1 ? 'a number' : `${count} numbers`;
    default:
      return problemType satisfies never;
  }
}

/** What a text says of samples that --skip-bad left out. */
export function skippedNote({ skipped }: { readonly skipped: number }): string {
  return skipped > 0 ? `, ${skipped} skipped` : '';
}

/** What a text says of an accuracy where one class is far larger than another: what always answers it would have. */
export function dominantNote({
  classes,
  accuracy,
}: {
  readonly classes: readonly ClassCount[];
  readonly accuracy?: number | null;
}): string {
  if (accuracy === undefined) return '';
  const dominant = dominantClass(classes);
  return dominant === null ? '' : ` (always ${dominant.label}: ${percent(dominant.accuracy)})`;
}

/** Names, and what there is to say of each. */
export function facts(rows: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n');
}

/** Columns set apart by two spaces; the first is left-aligned, the others right. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column])))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
