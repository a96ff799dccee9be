/** Accuracy of a model on a split. */
import { batchCount, batches } from '../data/batches.ts';
import type { Split } from '../data/split.ts';
import { floats, type DeviceTensor, type Engine, type Inputs, type Program } from '../engines/engine.ts';
import { UserError } from '../io/errors.ts';
import type { Model, Parts } from '../models/model.ts';
import type { ImagePreprocess } from '../../runtime/preprocess/spec.ts';

/** Large enough for full speed, small enough for memory: measured flat from 32 on for a 128-wide ViT. */
export const EVALUATION_BATCH = 64;

/** The forward pass of a model for `EVALUATION_BATCH` samples, or another number. */
export function compileForward(engine: Engine, model: Model, parts: Parts, batch = EVALUATION_BATCH): Promise<Program> {
  const { logits } = model.forward(model.batchInputs(batch, { padded: true }), batch, parts);
  return engine.compile({ outputs: { logits } });
}

export interface Evaluation {
  readonly accuracy: number;
  readonly samples: number;
}

export interface EvaluateOptions {
  readonly spec: ImagePreprocess;
  /** Class index in the data → class index in the model. */
  readonly classOf?: readonly number[];
  readonly onBatch?: (done: number, total: number) => void;
}

/** Runs every sample once and counts how often the largest logit is the label's. UserError where a logit is not finite. */
export async function evaluateForward(engine: Engine, forward: Program, tensors: Inputs, split: Split, options: EvaluateOptions): Promise<Evaluation> {
  const { spec, classOf, onBatch } = options;
  const { height, width } = spec.size;
  const total = batchCount(split.size, { batchSize: EVALUATION_BATCH });
  let correct = 0;
  let done = 0;
  for await (const { pixels, labels, size } of batches(split, { spec, batchSize: EVALUATION_BATCH, seed: 0 })) {
    const uploaded: DeviceTensor = engine.upload(floats(pixels, [EVALUATION_BATCH, 3, height, width]));
    const { logits } = await forward.run({ ...tensors, pixels: uploaded });
    const values = await logits.read();
    const classes = logits.shape[1];
    for (let i = 0; i < size; i++) {
      expectFinite(values, i * classes, classes);
      if (argmax(values, i * classes, classes) === (classOf?.[labels[i]] ?? labels[i])) correct++;
    }
    uploaded.dispose();
    logits.dispose();
    onBatch?.(++done, total);
  }
  return { accuracy: split.size === 0 ? 0 : correct / split.size, samples: split.size };
}

/** The index of the largest of `length` values from `offset` on, counted from there. */
export function argmax(values: ArrayLike<number>, offset: number, length: number): number {
  let best = 0;
  for (let i = 1; i < length; i++) if (values[offset + i] > values[offset + best]) best = i;
  return best;
}

/** UserError where a logit is no number: the accuracy would look like one and be none. */
export function expectFinite(logits: ArrayLike<number>, offset: number, length: number): void {
  for (let i = offset; i < offset + length; i++) {
    if (!Number.isFinite(logits[i])) throw new UserError(`the model answers ${logits[i]}: its weights are too large to compute with`, 'Did its training diverge? Try a lower --learning-rate.');
  }
}
