/** What the inputs of a batch prediction are: files, folders, patterns, tables or lines on stdin. */
import type { ModelInfo } from '../../runtime/http/classifier.ts';
import { PICTURE_NAME } from '../data/picture-formats.ts';
import { hasTableName } from '../data/text/layout.ts';
import { UserError, usageError } from '../io/errors.ts';
import { kindOf } from '../io/files.ts';
import { fileSource } from './file-rows.ts';
import { lineSource } from './line-rows.ts';
import { expectKept, filesOfRuns } from './not-inputs.ts';
import { type OpenedRows, type TableFlags, tableSource } from './table-rows.ts';
import { filesBelow, filesMatching, isPattern } from './walk.ts';

/** Names of pictures in a folder; of files that are named, or match a pattern, any is taken. */
const TEXT_NAME = /\.txt$/i;

/** An input as it was given. */
type Given = { readonly kind: 'file' | 'folder' | 'pattern'; readonly path: string };

/** How inputs are read, and where rows go: what is written there is none of them. */
export interface InputFlags extends TableFlags {
  readonly output?: string;
}

/** Whether inputs are rows for programs, rather than one picture or text for people. */
export async function areRows(inputs: readonly string[], taskOf: () => Promise<ModelInfo['task']>): Promise<boolean> {
  if (inputs.length !== 1) return inputs.length > 1;
  const [input] = inputs;
  if (input === '-') return (await taskOf()) === 'text-classification';
  return hasTableName(input) || (await givenAs(input)).kind !== 'file';
}

/** Opens what the inputs name. UserErrors say what is there instead of rows, and which of them --output would replace. */
export async function openInputs(
  inputs: readonly string[],
  task: ModelInfo['task'],
  flags: InputFlags,
): Promise<OpenedRows> {
  if (inputs.includes('-')) {
    if (inputs.length > 1) throw usageError('- is given beside other inputs', 'Read one or the other.');
    if (task === 'image-classification')
      throw usageError('rows of pictures can’t come on stdin', 'Name files, a folder or a pattern.');
    expectNoColumns(flags, '-', 'lines have no columns');
    await (await expectKept(flags.output))('-');
    return { source: lineSource(), notices: [] };
  }
  const listing: Listing = { given: await Promise.all(inputs.map(givenAs)), isRuns: await filesOfRuns(flags.output) };
  const { tables, files, leftOut, runs } = await survey(listing, task, await expectKept(flags.output));
  if (tables.length > 0 && files > 0)
    throw usageError(`${tables[0]} holds many rows, other inputs one a file`, 'Give one kind at a time.');
  if (tables.length > 0) {
    const { source, notices } = await tableSource(tables, task, flags);
    return { source, notices: [...noticesOf(leftOut, runs, 'tables'), ...notices] };
  }
  const what = task === 'image-classification' ? 'pictures' : 'texts';
  if (files === 0)
    throw new UserError(
      [`no ${what} are found in ${shownNames(inputs)}`, ...noticesOf(NONE, runs, what)].join('; '),
      task === 'image-classification'
        ? 'Expected names such as cat.jpg; a pattern in quotes, "photos/*", takes others, too.'
        : 'Expected .txt files or tables (.csv, .tsv, .jsonl, .parquet); a pattern in quotes, "texts/*", takes others.',
    );
  expectNoColumns(flags, inputs[0], `its ${what} are files, which have no columns`);
  const source = fileSource(shownNames(inputs), () => filesOf(listing, task), files, task);
  return { source, notices: noticesOf(leftOut, runs, what) };
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
  /** What other runs, or this one, have written there. */
  readonly runs: LeftOut;
}

interface LeftOut {
  readonly count: number;
  readonly first: readonly string[];
}

const NONE: LeftOut = { count: 0, first: [] };

/** What the inputs are, and which of what folders and patterns have is none of them. */
interface Listing {
  readonly given: readonly Given[];
  isRuns(path: string): Promise<boolean>;
}

/** Looks at every name once. Tables within folders count where there are no files of a text each. */
async function survey(
  { given, isRuns }: Listing,
  task: ModelInfo['task'],
  expectKept: (path: string) => Promise<void>,
): Promise<Survey> {
  const tables: string[] = [];
  const inFolders: string[] = [];
  let files = 0;
  let [leftOut, runs] = [NONE, NONE];
  const leaveOut = (path: string): void => {
    leftOut = withOne(leftOut, path);
  };
  for (const one of given) {
    let matched = 0;
    for await (const path of pathsOf(one)) {
      matched++;
      if (one.kind !== 'file' && (await isRuns(path))) {
        runs = withOne(runs, path);
        continue;
      }
      await expectKept(path);
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
  return { tables, files, leftOut, runs };
}

function withOne({ count, first }: LeftOut, path: string): LeftOut {
  return { count: count + 1, first: count < 3 ? [...first, path] : first };
}

async function* pathsOf({ kind, path }: Given): AsyncGenerator<string, void, void> {
  if (kind === 'file') yield path;
  else if (kind === 'pattern') yield* filesMatching(path);
  else for await (const name of filesBelow(path)) yield `${path.replace(/\/$/, '')}/${name}`;
}

async function* filesOf({ given, isRuns }: Listing, task: ModelInfo['task']): AsyncGenerator<string, void, void> {
  for (const one of given)
    for await (const path of pathsOf(one)) {
      const isNamed = one.kind !== 'folder' || nameOf(task).test(path);
      if (isNamed && (one.kind === 'file' || !(await isRuns(path)))) yield path;
    }
}

function nameOf(task: ModelInfo['task']): RegExp {
  return task === 'image-classification' ? PICTURE_NAME : TEXT_NAME;
}

function noticesOf(leftOut: LeftOut, runs: LeftOut, what: string): readonly string[] {
  return [
    ...(leftOut.count === 0 ? [] : [`left out, as their names are none of ${what}: ${shownOf(leftOut)}`]),
    ...(runs.count === 0 ? [] : [`left out, as runs of slim predict have written them: ${shownOf(runs)}`]),
  ];
}

function shownOf({ count, first }: LeftOut): string {
  return `${first.join(', ')}${count > first.length ? ` and ${count - first.length} more` : ''}`;
}

function shownNames(names: readonly string[]): string {
  return shownOf({ count: names.length, first: names.slice(0, 3) });
}
