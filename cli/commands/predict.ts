import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { type Command, Option } from 'commander';
import type { ProblemType } from '../../runtime/artifact/problem-type.ts';
import type { Answer } from '../../runtime/http/classifier.ts';
import { defaultTopK } from '../../runtime/http/predict-request.ts';
import type { TextInput } from '../../runtime/http/text-input.ts';
import { PreprocessError } from '../../runtime/preprocess/error.ts';
import { addResultOptions, createCommand, integer, resolveFlags } from '../args.ts';
import { openClassifier } from '../io/classifier.ts';
import { messageOf, UserError, usageError } from '../io/errors.ts';
import type { Io } from '../io/io.ts';
import { percent, printResult, table } from './result.ts';

interface PredictFlags {
  readonly topK?: number;
  readonly text?: string;
  readonly textPair?: string;
  readonly json: boolean;
}

/** `slim predict`, which `runPredict` is. */
export function predictCommand(io: Io): Command {
  const command = createCommand(
    'predict',
    'classify a picture or a text with an artifact',
    `Classifies with the runtime that also serves: a JPEG, PNG or WebP file, or a text,
which is given with --text, in a file or, as -, on stdin.`,
    [
      'slim predict model.slim cat.jpg',
      'slim predict model.slim cat.jpg --top-k 3 --json',
      'slim predict reviews.slim --text "a moving and funny film"',
      'slim predict reviews.slim review.txt',
    ],
  )
    .argument('<artifact>', 'a .slim file')
    .argument('[input]', 'a picture, or a file with a text; - for stdin')
    .option('--text <text>', 'the text, instead of a file')
    .option('--text-pair <text>', 'a second text, for models that compare two')
    .addOption(
      new Option('--top-k <n>', 'how many labels')
        .argParser(integer(1, 1000))
        .default(undefined, '5; all where several may be right'),
    );
  addResultOptions(command);
  return command.action(async (path: string, input: string | undefined) => {
    const { topK, json, text, textPair } = await resolveFlags<PredictFlags>(command);
    const answer = await runPredict(path, { file: input, text, textPair }, topK);
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
  if (file?.endsWith('.slim') && !path.endsWith('.slim'))
    throw usageError('the artifact comes first', `slim predict ${file} ${path}`);
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
      task === 'image-classification' ? bytes : textOf(given, bytes, path),
      topK ?? defaultTopK(classifier.info),
    );
    return { ...answer, problemType, latencyMs: performance.now() - start };
  } catch (error) {
    if (error instanceof PreprocessError) throw new UserError(`${file}: ${error.message}`);
    throw error;
  }
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
  try {
    // Editors end a file with a line break, which is no part of the text.
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes).replace(/\r?\n$/, ''), pair };
  } catch {
    throw new UserError(
      `${file} is no text in UTF-8, and ${path} classifies texts`,
      'Convert the file, or give the text with --text.',
    );
  }
}
