/**
 * Random small configurations of every family, with random weights: the graph that trains against the plan that serves.
 * `SLIM_RANDOM_CONFIGS=1000` tries more than a run's few dozen, `SLIM_RANDOM_SEED` others.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { pack } from '../../cli/compress/pack.ts';
import { f32Tensor } from '../../cli/compress/stored-tensors.ts';
import { type Engine, evaluate, floats, type HostTensor, integers } from '../../cli/engines/engine.ts';
import { type BertConfig, createBert } from '../../cli/models/bert.ts';
import { tensorsOf } from '../../cli/models/layers.ts';
import type { Model } from '../../cli/models/model.ts';
import { createVit, type VitConfig } from '../../cli/models/vit.ts';
import { denseParts } from '../../cli/pclora/linear.ts';
import { readArtifact } from '../../runtime/artifact/artifact.ts';
import { ACTIVATIONS } from '../../runtime/artifact/steps.ts';
import { createEngine, type Inputs } from '../../runtime/engine/engine.ts';
import { type Random, random } from '../../runtime/random.ts';
import { textDescription } from '../compress/small-bert.ts';
import { description } from '../compress/small-vit.ts';
import { kernelsModule } from '../runtime/kernels-module.ts';
import { onnxEngine } from '../support/engines.ts';

const RUNS = Number(process.env.SLIM_RANDOM_CONFIGS ?? 40);
const SEED = Number(process.env.SLIM_RANDOM_SEED ?? 1);

/** Beyond what f32 rounds: relative to the largest logit, or 1 where all are smaller. */
const TOLERANCE = 2e-4;

const sizes = fc.record({
  heads: fc.integer({ min: 1, max: 4 }),
  headSize: fc.integer({ min: 1, max: 9 }),
  intermediateSize: fc.integer({ min: 1, max: 40 }),
  layers: fc.integer({ min: 1, max: 3 }),
  layerNormEpsilon: fc.constantFrom(1e-12, 1e-6, 1e-5, 1e-3),
  activation: fc.constantFrom(...ACTIVATIONS),
  // One output is a number's, not a class's.
  labels: fc.integer({ min: 2, max: 9 }).map((count) => Array.from({ length: count }, (_, i) => `c${i}`)),
  problemType: fc.constant('single_label_classification' as const),
  seed: fc.integer({ min: 0, max: 2 ** 30 }),
});

const texts = fc.record({
  kind: fc.constant('text' as const),
  sizes,
  variant: fc.constantFrom('bert', 'roberta', 'distilbert', 'electra'),
  vocabSize: fc.integer({ min: 2, max: 40 }),
  typeVocabSize: fc.integer({ min: 0, max: 3 }),
  embeddingSize: fc.option(fc.integer({ min: 1, max: 20 }), { nil: null }),
  maxPositions: fc.integer({ min: 1, max: 24 }),
  length: fc.double({ min: 0, max: 1, noNaN: true }),
});

const pictures = fc.record({
  kind: fc.constant('image' as const),
  sizes,
  variant: fc.constantFrom('vit', 'deit', 'deit-with-teacher', 'vit-msn', 'dinov2', 'clip', 'siglip'),
  /** Of dinov2. */
  registers: fc.integer({ min: 0, max: 4 }),
  gated: fc.boolean(),
  channels: fc.constantFrom(1, 3),
  patchSize: fc.integer({ min: 1, max: 5 }),
  rows: fc.integer({ min: 1, max: 4 }),
  columns: fc.integer({ min: 1, max: 4 }),
});

interface Trial {
  readonly model: Model;
  readonly seed: number;
  readonly inputs: (source: Random) => Readonly<Record<string, HostTensor>>;
}

function trialOf(drawn: typeof texts extends fc.Arbitrary<infer T> ? T : never): Trial {
  const { heads, headSize, seed, ...others } = drawn.sizes;
  const { variant, vocabSize, typeVocabSize, maxPositions } = drawn;
  const hiddenSize = heads * headSize;
  const tokens = 1 + Math.floor(drawn.length * (maxPositions - 1));
  const config: BertConfig = {
    ...others,
    variant,
    vocabSize,
    typeVocabSize,
    maxPositions,
    heads,
    hiddenSize,
    embeddingSize: variant === 'electra' ? (drawn.embeddingSize ?? hiddenSize) : hiddenSize,
    initializerRange: 0.02,
    headDropout: 0,
    tokens,
  };
  const below = (most: number) => (source: Random) =>
    integers(
      Int32Array.from({ length: tokens }, () => source.below(most)),
      [1, tokens],
    );
  return {
    model: createBert(config),
    seed,
    inputs: (source) => ({
      ids: below(vocabSize)(source),
      ...(typeVocabSize > 0 ? { types: below(typeVocabSize)(source) } : {}),
    }),
  };
}

function pictureTrialOf(drawn: typeof pictures extends fc.Arbitrary<infer T> ? T : never): Trial {
  const { heads, headSize, seed, ...others } = drawn.sizes;
  const { variant, channels, registers, gated } = drawn;
  const imageSize = { height: drawn.rows * drawn.patchSize, width: drawn.columns * drawn.patchSize };
  const config: VitConfig = {
    ...others,
    variant,
    patchSize: drawn.patchSize,
    imageSize,
    channels,
    ...(variant === 'dinov2' ? { registers, gated } : {}),
    heads,
    hiddenSize: heads * headSize,
    initializerRange: 0.02,
  };
  const shape = [1, channels, imageSize.height, imageSize.width];
  const count = channels * imageSize.height * imageSize.width;
  return {
    model: createVit(config),
    seed,
    inputs: (source) => ({
      pixels: floats(
        Float32Array.from({ length: count }, () => source.normal()),
        shape,
      ),
    }),
  };
}

let engine: Engine;
beforeAll(async () => {
  engine = await onnxEngine();
});
afterAll(() => engine.dispose());

async function difference({ model, seed, inputs }: Trial): Promise<number> {
  const source = random(seed);
  const specs = tensorsOf(model.layers);
  const tensors = new Map(
    specs.map(({ name, shape, start }) => [
      name,
      Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () =>
        start === 'ones' ? 1 + 0.3 * source.normal() : (0.7 * source.normal()) / Math.sqrt(shape.length > 1 ? 4 : 1),
      ),
    ]),
  );
  const given = inputs(source);
  const { logits } = model.forward(model.batchInputs(1), 1, denseParts(specs));
  const weights = specs.map(({ name, shape }): [string, HostTensor] => [name, floats(tensors.get(name)!, shape)]);
  const graph = (await evaluate(engine, { outputs: { logits } }, { ...Object.fromEntries(weights), ...given })).logits;
  const stored = new Map(specs.map(({ name, shape }) => [name, f32Tensor(tensors.get(name)!, shape)]));
  const about = 'ids' in given ? textDescription : description;
  const bytes = await pack(logits, stored, { ...about, labels: model.labels });
  const edge = createEngine(await readArtifact(bytes), await kernelsModule());
  const answer = edge.infer(
    Object.fromEntries(Object.entries(given).map(([name, { data }]) => [name, data])) as Inputs,
  );
  const expected = graph.data as Float32Array;
  const largest = Math.max(1, ...expected.map(Math.abs));
  return Math.max(...answer.map((value, i) => Math.abs(value - expected[i]))) / largest;
}

it(`the graph and the plan agree on ${RUNS} random configurations`, { timeout: 120_000 + 2000 * RUNS }, async () => {
  let worst = 0;
  await fc.assert(
    fc.asyncProperty(fc.oneof(texts, texts, pictures), async (drawn) => {
      const apart = await difference(drawn.kind === 'text' ? trialOf(drawn) : pictureTrialOf(drawn));
      worst = Math.max(worst, apart);
      expect(apart).toBeLessThan(TOLERANCE);
    }),
    { numRuns: RUNS, seed: SEED },
  );
  expect(worst).toBeGreaterThan(0);
  if (RUNS > 100) console.log(`the largest difference of ${RUNS}: ${worst.toExponential(2)}`);
});
