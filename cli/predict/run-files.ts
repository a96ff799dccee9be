/** The files of a run with --output, all named after it. */
import { realpath } from 'node:fs/promises';
import { temporaryOf } from '../io/files.ts';

const RECORD = '.run.json';
const LINES = '.rows.jsonl';
const LOCK = '.lock';

/** The record: what was asked, and how far it is. */
export const recordOf = (output: string): string => `${output}${RECORD}`;

/** Where rows wait for an output that is made of all of them at once. */
export const linesOf = (output: string): string => `${output}${LINES}`;

/** The lock, beside what is written: also where that has two names. */
export async function lockOf(output: string): Promise<string> {
  return `${await realpath(output).catch(() => output)}${LOCK}`;
}

/** Everything that a run writes and that outlives it. */
export const filesOfRun = (output: string): readonly string[] => [output, recordOf(output), linesOf(output)];

/** The output that a file is named after, as a run's are; null where its name is none of these. */
export function outputNamedBy(path: string): string | null {
  const name = temporaryOf(path) ?? path;
  const suffix = [RECORD, LINES, LOCK].find((ending) => name.endsWith(ending));
  if (suffix !== undefined) return name.slice(0, -suffix.length);
  return name === path ? null : name;
}
