/** The state of a run between two steps, as a safetensors file. */
import { usageError, UserError } from '../io/errors.ts';
import { exists } from '../io/files.ts';
import { openTensorFile, saveTensors } from '../pretrained/tensor-file.ts';
import { STATE } from './step.ts';

export interface TrainState {
  /** Optimizer steps done. */
  readonly step: number;
  /** The trained vector and AdamW's moments, (P) each. */
  readonly parameters: Float32Array;
  readonly moment1: Float32Array;
  readonly moment2: Float32Array;
}

export async function saveState(path: string, state: TrainState): Promise<void> {
  const tensors = STATE.map((name) => [name, { shape: [state[name].length], data: state[name] }] as const);
  await saveTensors(path, tensors, { step: String(state.step) });
}

/** Reads a state of `size` trained values. */
export async function loadState(path: string, size: number): Promise<TrainState> {
  if (!(await exists(path))) throw usageError(`there is no checkpoint ${path} to resume from`, 'Leave out --resume to start from the beginning.');
  const file = await openTensorFile(path);
  try {
    const step = Number(file.header.metadata.get('step'));
    if (!Number.isInteger(step) || step < 0) throw new UserError(`${path}: expected its step in the metadata, got ${file.header.metadata.get('step')}`);
    const [parameters, moment1, moment2] = await Promise.all(STATE.map((name) => file.read(name)));
    for (const vector of [parameters, moment1, moment2]) {
      if (vector.length !== size) {
        throw new UserError(`${path}: expected ${size} trained values, got ${vector.length}`, 'Resume with the model, rank and frozen layers that the run began with.');
      }
    }
    return { step, parameters, moment1, moment2 };
  } finally {
    await file.close();
  }
}
