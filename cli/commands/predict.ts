import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { type Command, Option } from 'commander';
import type { ProblemType } from '../../runtime/artifact/problem-type.ts';
import type { Answer } from '../../runtime/http/classifier.ts';
import { defaultTopK } from '../../runtime/http/predict-request.ts';
import type { TextInput } from '../../runtime/http/text-input.ts';
import { PreprocessError } from '../../runtime/preprocess/error.ts';
import { addResultOptions, createCommand, integer, resolveFlags } from '../args.ts';
import { servedBytes } from '../data/picture-source.ts';
import { openArtifact } from '../io/artifact.ts';
import { openClassifier } from '../io/classifier.ts';
import { messageOf, UserError, usageError } from '../io/errors.ts';
import type { Io } from '../io/io.ts';
import { percent } from '../io/units.ts';
import { textOfFile } from '../predict/file-rows.ts';
import { areRows } from '../predict/inputs.ts';
import { addRowOptions, predictRows, type RowFlags, rowFlagOf } from './predict-rows.ts';
import { printResult, table } from './result.ts';

interface PredictFlags extends RowFlags {
  readonly text?: string;
  readonly textPair?: string;
}

/** `slim predict`, which `runPredict` is. */
export function predictCommand(io: Io): Command {
  const command = createCommand(
    'predict',
    'classify pictures or texts with an artifact',
    `Classifies with the runtime that also serves: a JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF
file, or a text, which is given with --text or in a file.

Rows, for programs, are answered in their order, a line each: of tables (.csv, .tsv, .jsonl,
.parquet: a text a row, or the file of a picture), of several files, of folders and of patterns in quotes, whose files
are a picture or a text each, and of - (stdin, one text a line). The name of a file decides
what it is. Their columns are kept, beside label, score and error, which says why a row has
no answer; these are predicted_label and so on where the input has such columns itself.

--output writes a file that holds whole rows at any moment, .parquet aside, which is made when
all are there. NAME.run.json beside it tells what was asked, and how far it has come: after
Ctrl-C or a crash the same line with --resume goes on there.`,
    [
      'slim predict model.slim cat.jpg',
      'slim predict model.slim cat.jpg --top-k 3 --json',
      'slim predict reviews.slim --text "a moving and funny film"',
      'slim predict reviews.slim review.txt',
      'slim predict reviews.slim reviews.csv --output answers.csv',
      'slim predict model.slim "photos/**/*.jpg" --output answers.parquet --resume',
      'slim predict reviews.slim big.jsonl --shard 2/8 --output answers-2.jsonl',
      'cut -f 3 texts.tsv | slim predict reviews.slim - --format jsonl',
    ],
  )
    .argument('<artifact>', 'a .slim file')
    .argument('[inputs...]', 'pictures, texts, tables, folders or patterns; - for stdin')
    .option('--text <text>', 'the text, instead of a file')
    .option('--text-pair <text>', 'a second text, for models that compare two')
    .addOption(
      new Option('--top-k <n>', 'how many labels')
        .argParser(integer(1, 1000))
        .default(undefined, '5, and all where several may be right; of rows 1'),
    );
  addRowOptions(command);
  addResultOptions(command);
  return command.action(async (path: string, inputs: readonly string[]) => {
    const flags = await resolveFlags<PredictFlags>(command);
    const { topK, json, text, textPair } = flags;
    expectArtifactFirst(path, inputs);
    if (await isForRows(path, inputs, flags)) return predictRows(path, inputs, flags, io);
    const answer = await runPredict(path, { file: inputs[0], text, textPair }, topK);
    const { problemType, ...told } = answer;
    const shown = problemType === 'regression' ? String : percent;
    const rows = table(answer.predictions.map(({ label, score }) => [label, shown(score)]));
    printResult(
      io,
      json,
      told,
      answer.truncated ? `${rows}\nonly the beginning: the text is longer than the model takes` : rows,
    );
  });
}

/** What to classify: a file (`-` for stdin), or a text. */
export interface PredictInput {
  readonly file?: string;
  readonly text?: string;
  readonly textPair?: string;
}

/** `slim predict` */
export async function runPredict(
  path: string,
  given: PredictInput,
  topK?: number,
): Promise<Answer & { readonly problemType: ProblemType; readonly latencyMs: number }> {
  const { file, text, textPair } = given;
  if (file !== undefined && text !== undefined)
    throw usageError(`both ${file} and --text are given`, 'Give one of them.');
  const classifier = await openClassifier(path);
  const { task, problemType } = classifier.info;
  if (task === 'image-classification' && (text ?? textPair) !== undefined) {
    throw usageError(`${path} classifies pictures, not texts`, `slim predict ${path} PICTURE`);
  }
  if ((file ?? text) === undefined) {
    throw usageError(
      'nothing to classify is given',
      `slim predict ${path} ${task === 'image-classification' ? 'PICTURE' : '--text "..."'}`,
    );
  }
  const bytes = text === undefined ? await readInput(file as string, task) : new Uint8Array();
  const start = performance.now();
  try {
    const answer = await classifier.classify(
      task === 'image-classification' ? await servedBytes(bytes) : textOf(given, bytes, path),
      topK ?? defaultTopK(classifier.info),
    );
    return { ...answer, problemType, latencyMs: performance.now() - start };
  } catch (error) {
    if (error instanceof PreprocessError) throw new UserError(`${file}: ${error.message}`);
    throw error;
  }
}

function expectArtifactFirst(path: string, inputs: readonly string[]): void {
  const misplaced = inputs.find((input) => input.endsWith('.slim'));
  if (misplaced !== undefined && !path.endsWith('.slim'))
    throw usageError('the artifact comes first', `slim predict ${misplaced} ${path}`);
}

/** Whether it is rows that are asked for. Usage error where flags of rows stand beside those of one text. */
async function isForRows(path: string, inputs: readonly string[], flags: PredictFlags): Promise<boolean> {
  const ofRows = rowFlagOf(flags);
  const ofOne = flags.text !== undefined ? '--text' : flags.textPair !== undefined ? '--text-pair' : null;
  if (ofOne === '--text' && ofRows === null && inputs.length <= 1) return false;
  if (inputs.length === 0) {
    if (ofOne === null && ofRows !== null) throw usageError(`${ofRows} is for rows, and no input is given`);
    if (ofRows === null) return false;
  }
  const isRows = ofRows !== null || (await areRows(inputs, async () => (await openArtifact(path)).manifest.task));
  if (isRows && ofOne !== null)
    throw usageError(
      `${ofOne} is one text, ${ofRows === null ? 'and rows are given' : `and ${ofRows} is for rows`}`,
      'Of tables, --text-column and --text-pair-column name what is read.',
    );
  return isRows;
}

function readInput(file: string, task: string): Promise<Uint8Array> {
  return (file === '-' ? buffer(process.stdin) : readFile(file)).catch((error: unknown) => {
    throw new UserError(
      `can't read ${file}: ${messageOf(error)}`,
      task === 'text-classification' ? 'Is that the text itself? Give it with --text.' : '',
    );
  });
}

function textOf({ file, text, textPair }: PredictInput, bytes: Uint8Array, path: string): TextInput {
  const pair = textPair ?? null;
  if (text !== undefined) return { text, pair };
  const read = textOfFile(bytes);
  if ('input' in read) return { ...read.input, pair };
  throw new UserError(
    `${file} is ${read.problem}, and ${path} classifies texts`,
    'Convert the file, or give the text with --text.',
  );
}
