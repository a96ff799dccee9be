/** What a model looks at: attention of its last block, and of all blocks together, as they reach what its head reads. */
import type { Batch } from '../data/samples.ts';
import type { Engine, Program } from '../engines/engine.ts';
import type { Node } from '../graph/graph.ts';
import { attentionProbabilities, attentionsOf } from '../graph/ops/attention.ts';
import { scale } from '../graph/ops/binary.ts';
import { sum } from '../graph/ops/reduce.ts';
import { classTokens, headReads } from '../models/vit.ts';
import type { ModelConfig } from '../pretrained/architecture.ts';
import { batchedInputs, batchInputs, normalizationOf, uploadBatch } from '../train/batch-inputs.ts';
import { withinMemory } from '../train/memory.ts';
import { createPrograms } from '../train/programs.ts';
import { floatTensors, partsOf, type TrainedModel, weightSpecs } from '../train/trained-model.ts';
import { uploadTensors } from '../train/trained-tensors.ts';

/** A weight for each token, special ones and those that hold nothing of a picture among them; they sum to 1. */
export interface Look {
  /** What the last block's attention, a mean of its heads, hands on to what the head reads. */
  readonly last: Float64Array;
  /** Attention rollout (Abnar & Zuidema 2020, arXiv 2005.00928): all blocks, with their residual connections. */
  readonly rollout: Float64Array;
  /** (K) */
  readonly logits: Float32Array;
}

/** (T, T) of a block: how much each token, row by row, takes of each. */
export type Attention = Float32Array;

/** The looks of a model at samples, one by one: `batches` hold one each. */
export async function looksOf(engine: Engine, trained: TrainedModel, batches: readonly Batch[]): Promise<Look[]> {
  const forward = createPrograms((tokens) => compileAttention(engine, trained, tokens));
  const tensors = uploadTensors(engine, weightSpecs(trained.model, trained.compression), floatTensors(trained.stored));
  const looks: Look[] = [];
  try {
    for (const { inputs, tokens, sample } of batches) {
      const length = (sample(0).ids?.length as number | undefined) ?? trained.model.tokens;
      const read = await withinMemory(engine, 'computing attention', 'Use --device cpu, or --samples 0.', () =>
        run(engine, forward.at(tokens), tensors, inputs),
      );
      const { logits, ...blocks } = read;
      const attentions = Object.keys(blocks).map((_, i) => squareOf(blocks[blockName(i)], length));
      looks.push({ ...lookOf(attentions, readBy(trained.config, length)), logits });
    }
  } finally {
    for (const tensor of Object.values(tensors)) tensor.dispose();
    await forward.dispose();
  }
  return looks;
}

const blockName = (i: number): string => `attention.${i}`;

function compileAttention(engine: Engine, trained: TrainedModel, tokens: number | null): Promise<Program> {
  const { model, preprocessing } = trained;
  const inputs = batchInputs(model, 1, normalizationOf(preprocessing), { padded: true, tokens: tokens ?? undefined });
  const { logits } = model.forward(inputs, 1, partsOf(trained));
  const blocks = attentionsOf(logits).map((mixed, i) => [blockName(i), meanOfHeads(attentionProbabilities(mixed))]);
  return engine.compile(
    { outputs: { logits, ...(Object.fromEntries(blocks) as Record<string, Node>) } },
    { takesTurns: tokens !== null, batched: batchedInputs(model) },
  );
}

/** (1, H, T, T) → (1, 1, T, T) */
function meanOfHeads(probabilities: Node): Node {
  return scale(sum(probabilities, [1]), 1 / probabilities.shape[1]);
}

async function run(
  engine: Engine,
  program: Promise<Program>,
  tensors: ReturnType<typeof uploadTensors>,
  inputs: Batch['inputs'],
): Promise<Record<string, Float32Array>> {
  const uploaded = uploadBatch(engine, inputs);
  const outputs = await (await program).run({ ...tensors, ...uploaded });
  const read: Record<string, Float32Array> = {};
  for (const [name, tensor] of Object.entries(outputs)) {
    read[name] = (await tensor.read()).slice() as Float32Array;
    tensor.dispose();
  }
  for (const tensor of Object.values(uploaded)) tensor.dispose();
  return read;
}

/** Without padding, which comes last: the first `length` rows and columns. */
function squareOf(padded: Float32Array, length: number): Attention {
  const width = Math.sqrt(padded.length);
  const square = new Float32Array(length * length);
  for (let row = 0; row < length; row++) square.set(padded.subarray(row * width, row * width + length), row * length);
  return square;
}

/** A weight for each token: what the head reads of the last block. They sum to 1. */
export function readBy(config: ModelConfig, tokens: number): Float64Array {
  const weights = new Float64Array(tokens);
  const first = 'patchSize' in config && headReads(config) === 'mean' ? classTokens(config) : null;
  if (first === null) weights[0] = 1;
  else weights.fill(1 / (tokens - first), first);
  return weights;
}

/**
 * With Aᵢ block i's attention and r what the head reads, `last` is r·A_L, and `rollout` r·Ã_L ⋯ Ã₁, where Ã = (A + I)/2
 * (Abnar & Zuidema 2020, section 3). Row by row, so that no product of matrices is needed.
 */
export function lookOf(attentions: readonly Attention[], read: Float64Array): Pick<Look, 'last' | 'rollout'> {
  const rollout = attentions.reduceRight(
    (weights, attention) => timesMatrix(weights, attention).map((value, i) => (value + weights[i]) / 2),
    read,
  );
  return { last: timesMatrix(read, attentions[attentions.length - 1]), rollout };
}

/** (T)·(T, T) → (T) */
function timesMatrix(weights: Float64Array, matrix: Attention): Float64Array {
  const product = new Float64Array(weights.length);
  weights.forEach((weight, row) => {
    if (weight === 0) return;
    for (let column = 0; column < weights.length; column++)
      product[column] += weight * matrix[row * weights.length + column];
  });
  return product;
}
