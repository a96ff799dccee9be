/** The state of a run between two steps, as a safetensors file. */
import type { Score } from '../../runtime/artifact/problem-type.ts';
import { UserError } from '../io/errors.ts';
import { openTensorFile, type SafetensorsFile, saveTensors } from '../pretrained/tensor-file.ts';
import { STATE } from './step.ts';

/** What a run goes on from. */
export interface TrainState {
  /** Optimizer steps done. */
  readonly step: number;
  /** The trained vector and its moments, (P) each; Muon's momentum is the first. */
  readonly parameters: Float32Array;
  readonly moment1: Float32Array;
  readonly moment2: Float32Array;
  /** What --select best would keep so far. */
  readonly best: Best | null;
}

/** Parameters that are kept for the end, and how they were evaluated: adapters only where there are any. */
export interface Best {
  /** (P) */
  readonly parameters: Float32Array;
  readonly evaluation: Score;
}

/** Writes the state, whole or not at all. @throws UserError */
export async function saveState(path: string, { step, best, ...vectors }: TrainState): Promise<void> {
  const named: (readonly [name: string, data: Float32Array])[] = STATE.map((name) => [name, vectors[name]] as const);
  if (best) named.push(['best', best.parameters]);
  const metadata = {
    step: String(step),
    ...(best ? { bestScore: JSON.stringify(best.evaluation) } : {}),
  };
  await saveTensors(
    path,
    named.map(([name, data]) => [name, { shape: [data.length], data }] as const),
    metadata,
  );
}

/** Reads a state of `size` trained values. */
export async function loadState(path: string, size: number): Promise<TrainState> {
  const file = await openTensorFile(path);
  try {
    const vector = async (name: string): Promise<Float32Array> => {
      const values = await file.read(name);
      if (values.length === size) return values;
      throw new UserError(
        `${path}: expected ${size} trained values, got ${values.length}`,
        'Resume with the model, rank and frozen layers that the run began with.',
      );
    };
    const [parameters, moment1, moment2] = await Promise.all(STATE.map(vector));
    const best = file.header.entries.has('best')
      ? {
          parameters: await vector('best'),
          evaluation: bestScore(file),
        }
      : null;
    return { step: stepOf(file), parameters, moment1, moment2, best };
  } finally {
    await file.close();
  }
}

function stepOf(file: SafetensorsFile): number {
  const step = metadataNumber(file, 'step');
  if (Number.isInteger(step)) return step;
  throw new UserError(
    `${file.path}: expected step in the metadata to be a whole number, got ${step}`,
    'The checkpoint is damaged: start again with --overwrite.',
  );
}

/** Accuracies had fields of their own before there was another metric. */
function bestScore(file: SafetensorsFile): Score {
  const text = file.header.metadata.get('bestScore');
  if (text === undefined)
    return { accuracy: metadataNumber(file, 'bestAccuracy'), samples: metadataNumber(file, 'bestSamples') };
  return JSON.parse(text) as Score;
}

function metadataNumber({ path, header }: SafetensorsFile, name: string): number {
  const text = header.metadata.get(name);
  const value = Number(text ?? NaN);
  if (value >= 0) return value;
  throw new UserError(
    `${path}: expected ${name} in the metadata to be a number, got ${text}`,
    'The checkpoint is damaged: start again with --overwrite.',
  );
}
