import { Option, type Command } from 'commander';
import type { Prediction } from '../../runtime/http/classifier.ts';
import { PreprocessError } from '../../runtime/preprocess/error.ts';
import { readFile } from 'node:fs/promises';
import { addResultOptions, createCommand, integer, resolveFlags } from '../args.ts';
import { openClassifier } from '../io/classifier.ts';
import { messageOf, usageError, UserError } from '../io/errors.ts';
import type { Io } from '../io/io.ts';
import { percent, printResult, table } from './result.ts';

interface PredictFlags {
  readonly topK: number;
  readonly json: boolean;
}

export function predictCommand(io: Io): Command {
  const command = createCommand('predict', 'classify a picture with an artifact', 'Classifies a JPEG, PNG or WebP file with the runtime that also serves.', [
    'slim predict model.slim cat.jpg',
    'slim predict model.slim cat.jpg --top-k 3 --json',
  ])
    .argument('<artifact>', 'a .slim file')
    .argument('<input>', 'a picture')
    .addOption(new Option('--top-k <n>', 'how many labels').argParser(integer(1, 1000)).default(5));
  addResultOptions(command);
  return command.action(async (path: string, input: string) => {
    const flags = await resolveFlags<PredictFlags>(command);
    const { predictions, latencyMs } = await runPredict(path, input, flags.topK);
    printResult(io, flags.json, { predictions, latencyMs }, table(predictions.map(({ label, score }) => [label, percent(score)])));
  });
}

/** `slim predict` */
export async function runPredict(path: string, input: string, topK: number): Promise<{ predictions: readonly Prediction[]; latencyMs: number }> {
  if (input.endsWith('.slim') && !path.endsWith('.slim')) throw usageError('the artifact comes first', `slim predict ${input} ${path}`);
  const { classifier } = await openClassifier(path);
  const bytes = await readFile(input).catch((error: unknown) => {
    throw new UserError(`can't read ${input}: ${messageOf(error)}`);
  });
  const start = performance.now();
  try {
    const predictions = await classifier.classify(bytes, topK);
    return { predictions, latencyMs: performance.now() - start };
  } catch (error) {
    if (error instanceof PreprocessError) throw new UserError(`${input}: ${error.message}`);
    throw error;
  }
}
