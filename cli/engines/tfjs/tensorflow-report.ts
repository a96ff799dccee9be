/** What the probe writes and who asks it reads: one line with a mark, among whatever the libraries write. */
import type { LoadedTensorflow } from './tensorflow.ts';

/** What was loaded and the product that it made, or what was in the way. */
export type ProbeReport =
  | (Omit<LoadedTensorflow, 'tf'> & { readonly product: readonly number[] })
  | {
      readonly message: string;
      readonly hint: string;
      /** Whether it does not load, so that another build of it would. */
      readonly isBroken: boolean;
    };

const MARK = 'slim-tensorflow-probe: ';

/** A report as a line of its own, also behind half of one. */
export function reportLine(report: ProbeReport): string {
  return `\n${MARK}${JSON.stringify(report)}\n`;
}

/** The report that a line is; null where it is something else. */
export function reportIn(line: string): ProbeReport | null {
  return line.startsWith(MARK) ? (JSON.parse(line.slice(MARK.length)) as ProbeReport) : null;
}
