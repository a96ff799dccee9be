/** What the inputs of a batch prediction are: files, folders, patterns, tables or lines on stdin. */
import type { ModelInfo } from '../../runtime/http/classifier.ts';
import { PICTURE_NAME } from '../data/picture-formats.ts';
import { hasTableName } from '../data/text/layout.ts';
import { UserError, usageError } from '../io/errors.ts';
import { kindOf } from '../io/files.ts';
import { fileSource } from './file-rows.ts';
import { lineSource } from './line-rows.ts';
import type { RowSource } from './row.ts';
import { type TableFlags, tableSource } from './table-rows.ts';
import { filesBelow, filesMatching, isPattern } from './walk.ts';

/** Names of pictures in a folder; of files that are named, or match a pattern, any is taken. */
const TEXT_NAME = /\.txt$/i;

/** An input as it was given. */
type Given = { readonly kind: 'file' | 'folder' | 'pattern'; readonly path: string };

/** What was opened, and what there is to say of it. */
export interface OpenedInputs {
  readonly source: RowSource;
  readonly notices: readonly string[];
}

/** Whether inputs are rows for programs, rather than one picture or text for people. */
export async function areRows(inputs: readonly string[], taskOf: () => Promise<ModelInfo['task']>): Promise<boolean> {
  if (inputs.length !== 1) return inputs.length > 1;
  const [input] = inputs;
  if (input === '-') return (await taskOf()) === 'text-classification';
  return hasTableName(input) || (await givenAs(input)).kind !== 'file';
}

/** Opens what the inputs name. UserErrors say what is there instead of rows. */
export async function openInputs(
  inputs: readonly string[],
  task: ModelInfo['task'],
  flags: TableFlags,
): Promise<OpenedInputs> {
  if (inputs.includes('-')) {
    if (inputs.length > 1) throw usageError('- is given beside other inputs', 'Read one or the other.');
    if (task === 'image-classification')
      throw usageError('rows of pictures can’t come on stdin', 'Name files, a folder or a pattern.');
    expectNoColumns(flags, '-', 'lines have no columns');
    return { source: lineSource(), notices: [] };
  }
  const given = await Promise.all(inputs.map(givenAs));
  const found = await survey(given, task);
  const { tables, files, leftOut } = found;
  if (tables.length > 0 && files > 0)
    throw usageError(`${tables[0]} holds many rows, other inputs one a file`, 'Give one kind at a time.');
  if (tables.length > 0)
    return { source: await tableSource(tables, task, flags), notices: noticesOf(leftOut, 'tables') };
  const what = task === 'image-classification' ? 'pictures' : 'texts';
  if (files === 0)
    throw new UserError(
      `no ${what} are found in ${inputs.join(', ')}`,
      task === 'image-classification'
        ? 'Expected names such as cat.jpg; a pattern in quotes, "photos/*", takes others, too.'
        : 'Expected .txt files or tables (.csv, .tsv, .jsonl, .parquet); a pattern in quotes, "texts/*", takes others.',
    );
  expectNoColumns(flags, inputs[0], `its ${what} are files, which have no columns`);
  return { source: fileSource(() => filesOf(given, task), files, task), notices: noticesOf(leftOut, what) };
}

function expectNoColumns(flags: TableFlags, path: string, why: string): void {
  const named = flags.textColumn ?? flags.textPairColumn ?? flags.imageColumn ?? flags.columns?.[0];
  if (named !== undefined) throw usageError(`the column ${named} is named, and of ${path} ${why}`);
}

async function givenAs(input: string): Promise<Given> {
  const kind = await kindOf(input);
  if (kind !== 'absent') return { kind, path: input };
  // A name with brackets in it is a file where there is one.
  return { kind: (await isPattern(input)) ? 'pattern' : 'file', path: input };
}

interface Survey {
  readonly tables: readonly string[];
  readonly files: number;
  readonly leftOut: LeftOut;
}

interface LeftOut {
  readonly count: number;
  readonly first: readonly string[];
}

/** Looks at every name once. Tables within folders count where there are no files of a text each. */
async function survey(given: readonly Given[], task: ModelInfo['task']): Promise<Survey> {
  const tables: string[] = [];
  const inFolders: string[] = [];
  const first: string[] = [];
  let [files, others] = [0, 0];
  const leaveOut = (path: string): void => {
    others++;
    if (first.length < 3) first.push(path);
  };
  for (const one of given) {
    let matched = 0;
    for await (const path of pathsOf(one)) {
      matched++;
      if (one.kind !== 'folder') hasTableName(path) ? tables.push(path) : files++;
      else if (nameOf(task).test(path)) files++;
      else if (task === 'text-classification' && hasTableName(path)) inFolders.push(path);
      else leaveOut(path);
    }
    if (matched === 0 && one.kind === 'pattern')
      throw new UserError(`no file matches ${one.path}`, '** stands for any folders: "photos/**/*.jpg".');
  }
  if (files > 0 || tables.length > 0) inFolders.forEach(leaveOut);
  else tables.push(...inFolders);
  return { tables, files, leftOut: { count: others, first } };
}

async function* pathsOf({ kind, path }: Given): AsyncGenerator<string, void, void> {
  if (kind === 'file') yield path;
  else if (kind === 'pattern') yield* filesMatching(path);
  else for await (const name of filesBelow(path)) yield `${path.replace(/\/$/, '')}/${name}`;
}

async function* filesOf(given: readonly Given[], task: ModelInfo['task']): AsyncGenerator<string, void, void> {
  for (const one of given)
    for await (const path of pathsOf(one)) if (one.kind !== 'folder' || nameOf(task).test(path)) yield path;
}

function nameOf(task: ModelInfo['task']): RegExp {
  return task === 'image-classification' ? PICTURE_NAME : TEXT_NAME;
}

function noticesOf({ count, first }: LeftOut, what: string): readonly string[] {
  if (count === 0) return [];
  const more = count > first.length ? ` and ${count - first.length} more` : '';
  return [`left out, as their names are none of ${what}: ${first.join(', ')}${more}`];
}
