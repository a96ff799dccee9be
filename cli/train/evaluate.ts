/** How good a model is on labelled samples. */
import type { ProblemType, Score } from '../../runtime/artifact/problem-type.ts';
import type { Samples } from '../data/samples.ts';
import { type Target, targetOf } from '../data/target.ts';
import type { Engine, Inputs, Program } from '../engines/engine.ts';
import type { Graph } from '../graph/graph.ts';
import { UserError } from '../io/errors.ts';
import type { Parts } from '../models/model.ts';
import type { Checkpoint } from '../pretrained/checkpoint.ts';
import { batchedInputs, batchInputs, normalizationOf, uploadBatch } from './batch-inputs.ts';
import { withinMemory } from './memory.ts';
import { createPrograms, type Programs } from './programs.ts';
import { createScorer } from './scorer.ts';
import { workOf } from './work.ts';

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
  return createPrograms((tokens) =>
    engine.compile(forwardGraph({ model, preprocessing }, parts, batch, tokens), {
      takesTurns: tokens !== null,
      batched: batchedInputs(model),
    }),
  );
}

function forwardGraph(
  { model, preprocessing }: Pick<Checkpoint, 'model' | 'preprocessing'>,
  parts: Parts,
  batch: number,
  tokens: number | null,
): Graph {
  const inputs = batchInputs(model, batch, normalizationOf(preprocessing), {
    padded: true,
    tokens: tokens ?? undefined,
  });
  return { outputs: { logits: model.forward(inputs, batch, parts).logits } };
}

/** The work of evaluating all samples, were their texts of that length; see `workOf`. */
export function evaluationWork(
  engine: Engine,
  checkpoint: Pick<Checkpoint, 'model' | 'preprocessing'>,
  parts: Parts,
  samples: Samples,
  tokens: number | null,
): number {
  const batchSize = evaluationBatch(engine);
  return samples.count({ batchSize }) * workOf(forwardGraph(checkpoint, parts, batchSize, tokens), engine);
}

/** A sample and what the model says of it. */
export interface Judged {
  /** (K), of the model's labels that are judged; valid during the call. */
  readonly logits: Float32Array;
  /** What should be said: of classes and labels in the same order. Valid during the call. */
  readonly target: Target;
  /** The sample's place in the split. */
  readonly row: number;
}

/** How the data's labels are the model's. */
export interface Outputs {
  /** Label in the data → label in the model, by their indices. */
  readonly indices: readonly number[];
  /** The model's labels that the data says something of; null where these are all. */
  readonly judged: readonly number[] | null;
}

/** How samples are compared, and who is told of them and of the progress, in batches. */
export interface EvaluateOptions {
  /** The model's, which is the data's. */
  readonly problemType: ProblemType;
  /** The same labels in one order unless given. */
  readonly outputs?: Outputs | null;
  readonly onSample?: (sample: Judged) => void;
  readonly onBatch?: (done: number, total: number) => void;
}

/** Runs every sample once and scores the answers. UserError where a logit is not finite. */
export async function evaluateForward(
  engine: Engine,
  forward: Programs<Program>,
  tensors: Inputs,
  samples: Samples,
  options: EvaluateOptions,
): Promise<Score> {
  return withinMemory(
    engine,
    `evaluating ${evaluationBatch(engine)} samples at a time`,
    'Use a device with more memory, or --device cpu; of texts, lower --max-tokens.',
    () => scoreSamples(engine, forward, tensors, samples, options),
  );
}

async function scoreSamples(
  engine: Engine,
  forward: Programs<Program>,
  tensors: Inputs,
  samples: Samples,
  options: EvaluateOptions,
): Promise<Score> {
  const batchSize = evaluationBatch(engine);
  const total = samples.count({ batchSize });
  const judge = createJudge(options);
  let done = 0;
  for await (const { inputs, tokens, labels, size, rows } of samples.batches({ batchSize, seed: 0 })) {
    const uploaded = uploadBatch(engine, inputs);
    const { logits } = await (await forward.at(tokens)).run({ ...tensors, ...uploaded });
    const values = (await logits.read()) as Float32Array;
    const outputs = logits.shape[1];
    for (let i = 0; i < size; i++)
      judge.add(values.subarray(i * outputs, (i + 1) * outputs), targetOf(labels, i, batchSize), rows[i]);
    for (const tensor of [...Object.values(uploaded), logits]) tensor.dispose();
    options.onBatch?.(++done, total);
  }
  return judge.score();
}

/** Scores logits as they come, and tells of each sample. */
export interface Judge {
  /** `target` in the data's order. UserError where a logit is not finite. */
  add(logits: Float32Array, target: Target, row: number): void;
  score(): Score;
}

/** What all evaluations have in common, whatever computes the logits. */
export function createJudge({
  problemType,
  outputs,
  onSample,
}: Pick<EvaluateOptions, 'problemType' | 'outputs' | 'onSample'>): Judge {
  const judged = outputs?.judged ?? null;
  const scorer = createScorer(problemType);
  return {
    add(answer, given, row) {
      expectFinite(answer);
      const whole = outputs ? inModelOrder(given, outputs.indices, answer.length) : given;
      const logits = judged === null ? answer : picked(answer, judged);
      const target = judged === null || typeof whole === 'number' ? whole : picked(whole, judged);
      scorer.add(logits, target);
      onSample?.({ logits, target, row });
    },
    score: () => scorer.score(),
  };
}

/**
 * What a target is among the model's labels: those that the data does not know do not apply, and one that is several of
 * the data's applies where any of them does.
 */
function inModelOrder(target: Target, indices: readonly number[], outputs: number): Target {
  if (typeof target === 'number') return indices[target];
  const values = new Float32Array(outputs);
  const met = new Set<number>();
  target.forEach((value, i) => {
    const place = indices[i];
    values[place] = met.has(place) ? Math.max(values[place], value) : value;
    met.add(place);
  });
  return values;
}

function picked(values: Float32Array, places: readonly number[]): Float32Array {
  return Float32Array.from(places, (place) => values[place]);
}

/** UserError where a logit is no number: the score would look like one and be none. */
export function expectFinite(logits: ArrayLike<number>): void {
  for (let i = 0; i < logits.length; i++) {
    if (!Number.isFinite(logits[i]))
      throw new UserError(
        `the model answers ${logits[i]}: its weights are too large to compute with`,
        'Did its training diverge? Try a lower --learning-rate.',
      );
  }
}
