/** `slim evaluate --errors`: the samples that a model is most wrong about, as a table. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Dataset, Split } from '../data/dataset.ts';
import type { TextRows } from '../data/text/dataset.ts';
import { usageError } from '../io/errors.ts';
import { identityOf, kindOf } from '../io/files.ts';
import { csvLines } from '../predict/formats.ts';
import type { WrongAnswer } from '../train/metrics/worst.ts';

/**
 * Usage error where a file of --errors is not named as CSV, is there already, or is one of the inputs or lies in it,
 * whatever its name. Opens nothing; inputs that are absent are the caller's to tell.
 */
export async function expectErrorsFile(
  path: string,
  { overwrite = false }: { readonly overwrite?: boolean },
  inputs: readonly (string | undefined)[],
): Promise<void> {
  if (!/\.csv$/i.test(path))
    throw usageError(
      `--errors ${path}: expected a name that ends with .csv`,
      'The samples are written as CSV: --errors wrong.csv.',
    );
  const kind = await kindOf(path);
  if (kind === 'absent') return;
  if (kind === 'folder') throw usageError(`--errors ${path} is a folder`, 'Name a file in it: --errors DIR/wrong.csv.');
  const identity = await identityOf(path);
  for (const input of inputs)
    if (input !== undefined && (await holds(input, identity)))
      throw usageError(`--errors ${path} is what is read, or a part of it (${input})`, 'Name another file.');
  if (!overwrite) throw usageError(`--errors ${path} is there already`, 'Name another, or replace it: --overwrite.');
}

/** Whether an input is the file of this identity, or a folder that holds it, by whatever name. */
async function holds(input: string, file: string | null): Promise<boolean> {
  if ((await kindOf(input)) !== 'folder') return (await identityOf(input)) === file;
  for (const entry of await readdir(input, { recursive: true, withFileTypes: true }))
    if (!entry.isDirectory() && (await identityOf(join(entry.parentPath, entry.name))) === file) return true;
  return false;
}

/** A wrong answer, and in which part its sample stands. */
export interface WrongSample extends WrongAnswer {
  readonly part: 'train' | 'test';
}

/**
 * CSV with a header, worst first, as they come: the picture's file, or the text's place in the data and the text (and its
 * second half); label, predicted, most_wrong where there are several labels or numbers, and score, which is error where
 * they are numbers. Texts are read again for it.
 */
export async function errorsCsv(data: Dataset, wrong: readonly WrongSample[]): Promise<string> {
  const inputs = await inputsOf(data, wrong);
  const score = data.problemType === 'regression' ? 'error' : 'score';
  const pair = inputs.some((cells) => 'text_pair' in cells) ? ['text_pair'] : [];
  const names = data.kind === 'image' ? ['file'] : ['place', 'text', ...pair];
  const isSeveral = data.problemType !== 'single_label_classification' && data.labels.length > 1;
  const several = isSeveral ? ['most_wrong'] : [];
  const { header, line } = csvLines([...names, 'label', 'predicted', ...several, score]);
  const rows = wrong.map(({ label, predicted, mostWrong, score: value }, i) =>
    line({ ...inputs[i], label, predicted, most_wrong: mostWrong, [score]: value.toFixed(6) }),
  );
  return header + rows.join('');
}

type Cells = Readonly<Record<string, string>>;

/** Of each sample the picture's `file`, or the `place` of a text, the `text`, and its second half, `text_pair`. */
export async function inputsOf(data: Dataset, wrong: readonly WrongSample[]): Promise<readonly Cells[]> {
  return data.kind === 'text' ? textsOf(data, wrong) : filesOf(data, wrong);
}

function filesOf(data: Extract<Dataset, { kind: 'image' }>, wrong: readonly WrongSample[]): readonly Cells[] {
  return wrong.map(({ part, row }) => ({ file: fileOf(data[part], row) ?? `${part} ${row}` }));
}

/** Of a file, or in a table; null where pictures are drawn or lie in records, and are told by their number. */
function fileOf(split: Split, row: number): string | null {
  const source = split.source(row);
  return split.files?.paths[row] ?? (source.kind === 'packed' ? source.path : null);
}

async function textsOf(
  data: Record<'train' | 'test', TextRows>,
  wrong: readonly WrongSample[],
): Promise<readonly Cells[]> {
  const found: Cells[] = new Array(wrong.length);
  for (const part of ['train', 'test'] as const) {
    const places = new Map(wrong.flatMap((one, i) => (one.part === part ? [[one.row, i] as const] : [])));
    if (places.size === 0) continue;
    let row = 0;
    for await (const { where, text, pair } of data[part].rows()) {
      const place = places.get(row++);
      if (place !== undefined) found[place] = { place: where, text, ...(pair === null ? {} : { text_pair: pair }) };
    }
  }
  return found;
}
