/** Accuracy of a model on labelled samples. */
import { batchCount } from '../data/pass.ts';
import type { Samples } from '../data/samples.ts';
import type { Engine, Inputs, Program } from '../engines/engine.ts';
import { UserError } from '../io/errors.ts';
import type { Parts } from '../models/model.ts';
import type { Checkpoint } from '../pretrained/checkpoint.ts';
import { batchedInputs, batchInputs, normalizationOf, uploadBatch } from './batch-inputs.ts';
import { withinMemory } from './memory.ts';
import { createPrograms, type Programs } from './programs.ts';

/** Large enough for full speed, small enough for memory: measured flat from 32 on for a 128-wide ViT. */
export const EVALUATION_BATCH = 64;

/** The samples of one run on an engine: `EVALUATION_BATCH`, and as many more as its devices need to share them evenly. */
export function evaluationBatch({ deviceCount = 1 }: Pick<Engine, 'deviceCount'>): number {
  return Math.ceil(EVALUATION_BATCH / deviceCount) * deviceCount;
}

/**
 * The forward pass of a model for `evaluationBatch` samples, or another number. Padded texts have their mask, pictures
 * come as bytes.
 */
export function compileForward(
  engine: Engine,
  { model, preprocessing }: Pick<Checkpoint, 'model' | 'preprocessing'>,
  parts: Parts,
  batch = evaluationBatch(engine),
): Programs<Program> {
  const normalization = normalizationOf(preprocessing);
  return createPrograms((tokens) => {
    const inputs = batchInputs(model, batch, normalization, { padded: true, tokens: tokens ?? undefined });
    return engine.compile(
      { outputs: { logits: model.forward(inputs, batch, parts).logits } },
      { takesTurns: tokens !== null, batched: batchedInputs(model) },
    );
  });
}

/** The share of `samples` samples whose largest logit is the label's, 0 to 1. */
export interface Evaluation {
  readonly accuracy: number;
  readonly samples: number;
}

/** How labels are compared, and who is told of the progress, in batches. */
export interface EvaluateOptions {
  /** Class index in the data → class index in the model. */
  readonly classOf?: readonly number[];
  readonly onBatch?: (done: number, total: number) => void;
}

/**
 * Runs every sample once and counts how often the largest logit is the label's. UserError where a logit is not finite.
 */
export async function evaluateForward(
  engine: Engine,
  forward: Programs<Program>,
  tensors: Inputs,
  samples: Samples,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  return withinMemory(
    engine,
    `evaluating ${evaluationBatch(engine)} samples at a time`,
    'Use a device with more memory, or --device cpu; of texts, lower --max-tokens.',
    () => countCorrect(engine, forward, tensors, samples, options),
  );
}

async function countCorrect(
  engine: Engine,
  forward: Programs<Program>,
  tensors: Inputs,
  samples: Samples,
  { classOf, onBatch }: EvaluateOptions,
): Promise<Evaluation> {
  const batchSize = evaluationBatch(engine);
  const total = batchCount(samples.size, { batchSize });
  let correct = 0;
  let done = 0;
  for await (const { inputs, tokens, labels, size } of samples.batches({ batchSize, seed: 0 })) {
    const uploaded = uploadBatch(engine, inputs);
    const { logits } = await (await forward.at(tokens)).run({ ...tensors, ...uploaded });
    const values = await logits.read();
    const classes = logits.shape[1];
    for (let i = 0; i < size; i++) {
      expectFinite(values, i * classes, classes);
      if (argmax(values, i * classes, classes) === (classOf?.[labels[i]] ?? labels[i])) correct++;
    }
    for (const tensor of [...Object.values(uploaded), logits]) tensor.dispose();
    onBatch?.(++done, total);
  }
  return { accuracy: samples.size === 0 ? 0 : correct / samples.size, samples: samples.size };
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
    if (!Number.isFinite(logits[i]))
      throw new UserError(
        `the model answers ${logits[i]}: its weights are too large to compute with`,
        'Did its training diverge? Try a lower --learning-rate.',
      );
  }
}
