/**
 * What is kept beside an output, as NAME.run.json: what was asked, and how far it has come. `--resume` reads it, and
 * whoever wants to know which model a file is of.
 */
import { count, list, nullable, oneOf, record, text, valueThat } from '../../runtime/artifact/schema.ts';
import { messageOf, UserError } from '../io/errors.ts';
import { kindOf, readJson, writeJson } from '../io/files.ts';
import type { ReadColumns, ReadInput } from './row.ts';
import { recordOf } from './run-files.ts';

/** What decides what is written: where it differs, a run can't be gone on with. */
export interface Asked extends ReadColumns {
  /** SHA-256 of the artifact's file, in hexadecimal. */
  readonly artifact: string;
  readonly format: string;
  readonly topK: number;
  /** `2/8`; null for all rows. */
  readonly shard: string | null;
  readonly columns: readonly string[] | null;
  readonly inputs: readonly ReadInput[];
}

/** How far a run has come: what is counted is in the output, whole. */
export interface State {
  readonly rows: number;
  /** Of them: how many have an error instead of an answer. */
  readonly errors: number;
  /** Of them: how many texts were cut to what the model takes. */
  readonly truncated: number;
  /** Of the rows' identities, SHA-256 in hexadecimal. */
  readonly digest: string;
  /** Bytes of the file that these rows are in: nothing that is not on the disk. */
  readonly bytes: number;
  readonly isDone: boolean;
}

/** What a record holds. */
export type RunRecord = { readonly asked: Asked; readonly state: State };

/** Counted up whenever a record of before would be misread. */
const VERSION = 2;

const readRecordFields = record({
  version: oneOf(VERSION),
  asked: record({
    artifact: text,
    format: text,
    topK: count,
    shard: nullable(text),
    columns: nullable(list(text)),
    textColumn: nullable(text),
    textPairColumn: nullable(text),
    imageColumn: nullable(text),
    inputs: list(record({ path: text, bytes: nullable(count), files: nullable(count) })),
  }),
  state: record({
    rows: count,
    errors: count,
    truncated: count,
    digest: text,
    bytes: count,
    isDone: valueThat<boolean>('true or false', (json) => typeof json === 'boolean'),
  }),
});

/** Writes the record of an output, whole or not at all. */
export async function saveRecord(output: string, { asked, state }: RunRecord): Promise<void> {
  await writeJson(recordOf(output), { version: VERSION, asked, state });
}

/** The record of an output; null where there is none. UserError where it is none of ours. */
export async function loadRecord(output: string): Promise<RunRecord | null> {
  const path = recordOf(output);
  if ((await kindOf(path)) === 'absent') return null;
  const json = await readJson(path);
  try {
    const { asked, state } = readRecordFields(path, json);
    return { asked, state };
  } catch (error) {
    throw new UserError(`${path} is no record of slim predict: ${messageOf(error)}`, 'Begin anew: --overwrite.');
  }
}

/** Whether an output has a record that is one of ours. */
export async function isRecorded(output: string): Promise<boolean> {
  try {
    return (await loadRecord(output)) !== null;
  } catch (error) {
    if (error instanceof UserError) return false;
    throw error;
  }
}

/** UserError where a run that is to go on was asked something else. */
export function expectSameAsked(output: string, recorded: Asked, asked: Asked): void {
  const differs = (what: string, was: unknown, is: unknown): UserError =>
    new UserError(
      `${output} was begun with ${what} ${shownOf(was)}, and now it is ${shownOf(is)}`,
      'Go on with the same, or begin anew: --overwrite.',
    );
  const { inputs: were, artifact, ...flags } = recorded;
  if (artifact !== asked.artifact) throw differs('the artifact', artifact, asked.artifact);
  for (const name of Object.keys(flags) as (keyof typeof flags)[])
    if (JSON.stringify(flags[name]) !== JSON.stringify(asked[name]))
      throw differs(FLAGS[name], flags[name], asked[name]);
  const { inputs } = asked;
  if (were.length !== inputs.length) throw differs('a number of tables of', were.length, inputs.length);
  for (const [i, is] of inputs.entries()) {
    const was = were[i];
    // Tables may lie elsewhere than they did. The names of files are part of what is written.
    if (kindOfInput(was) !== kindOfInput(is) || (is.bytes === null && was.path !== is.path))
      throw differs('the input', was.path, is.path);
    for (const unit of ['bytes', 'files'] as const)
      if (was[unit] !== is[unit]) throw differs(`${is.path}, in ${unit}:`, was[unit], is[unit]);
  }
}

function kindOfInput({ bytes, files }: ReadInput): 'table' | 'files' | 'lines' {
  return bytes !== null ? 'table' : files !== null ? 'files' : 'lines';
}

const FLAGS: Readonly<Record<keyof Omit<Asked, 'artifact' | 'inputs'>, string>> = {
  format: '--format',
  topK: '--top-k',
  shard: '--shard',
  columns: '--columns',
  textColumn: '--text-column',
  textPairColumn: '--text-pair-column',
  imageColumn: '--image-column',
};

function shownOf(value: unknown): string {
  return value === null ? 'none' : Array.isArray(value) ? value.join(',') : String(value);
}
