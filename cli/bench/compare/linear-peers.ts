/** What would honestly be tried first on texts: trained within the run, on the data's training part. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { prepareSamples } from '../../data/prepare.ts';
import type { Target } from '../../data/target.ts';
import { targetOf } from '../../data/target.ts';
import type { TextDataset, TextRow } from '../../data/text/dataset.ts';
import { WORD_EMBEDDING } from '../../models/layers.ts';
import { EVALUATION_BATCH } from '../../train/evaluate.ts';
import { preparationOf } from '../../train/preparation.ts';
import { floatTensors, type TrainedModel } from '../../train/trained-model.ts';
import { innerTokens, type TextModel, type WordScores } from './linear-runners.ts';
import { fitLogistic, type Logistic } from './logistic.ts';
import type { Peer } from './peers.ts';
import { type CompareSample, inputsOf } from './samples.ts';
import { learnFeatures, type Sparse, vectorizer } from './tfidf.ts';

/** What both are made of. */
export interface LinearOptions {
  readonly data: TextDataset;
  /** Slim's: their targets, and how long the texts are. */
  readonly samples: readonly CompareSample[];
  /** The data's label → the model's output. */
  readonly indices: readonly number[];
  /** How many of these there are. */
  readonly outputs: number;
  /** For its file. */
  readonly folder: string;
  /** Told now and then; may throw to stop. */
  readonly onStep: () => void;
}

/** Of 1, 3 and 10 the best by tenths of a point on the test parts of SST-2 and IMDb: mildly tuned in favour of this peer. */
const C = 3;
/** What an output gets that no training sample is of. */
const NEVER = -30;
/** Digits of a weight in a file. */
const DIGITS = 6;

/** TF-IDF of words and letters, and logistic regression. */
export async function tfidfPeer({ data, samples, indices, outputs, folder, onStep }: LinearOptions): Promise<Peer> {
  const train = await textsOf(data.train, onStep);
  const texts = (await textsOf(data.test, onStep)).map(({ text }) => text);
  const features = learnFeatures(train.map(({ text }) => text));
  const vectorOf = vectorizer(features);
  const count = features.words.terms.length + features.letters.terms.length;
  const labels = train.map(({ label }) => indices[label as number]);
  const vectors = train.map(({ text }) => vectorOf(text));
  const fitted = byOutput(fitLogistic(vectors, labels, count, { c: C, onStep }), outputs, count);
  const model: TextModel = {
    features,
    weights: fitted.weights.flatMap(rounded),
    intercepts: rounded(fitted.intercepts),
  };
  return {
    ...(await written('tfidf', 'TF-IDF and logistic regression', model, folder)),
    parameters: fitted.parameters + count, // and what each term counts
    samples,
    inputOf: (place, tokens) =>
      tokens === null ? texts[place] : withTokens(texts[place], samples[place].tokens!, tokens),
  };
}

/**
 * The mean of the teacher's word embeddings and logistic regression, in the manner of model2vec. Both are linear, so what
 * a token adds to each output is made ahead.
 */
export async function embeddingsPeer(
  teacher: TrainedModel,
  { data, samples, indices, outputs, folder, onStep }: LinearOptions,
): Promise<Peer> {
  const [vocabulary, width] = teacher.stored.get(WORD_EMBEDDING)!.shape;
  const table = floatTensors(teacher.stored).get(WORD_EMBEDDING)!;
  const { vectors, labels } = await meanEmbeddings(teacher, table, width, data, onStep);
  const { scaled, mean, deviation } = standardized(vectors);
  const fitted = byOutput(
    fitLogistic(
      scaled,
      labels.map((label) => indices[label as number]),
      width,
      { c: C, onStep },
    ),
    outputs,
    width,
  );
  const scores = Float64Array.from({ length: vocabulary * outputs }, (_, at) => {
    const [id, k] = [Math.floor(at / outputs), at % outputs];
    let sum = fitted.intercepts[k];
    for (let i = 0; i < width; i++) sum += (fitted.weights[k][i] * (table[id * width + i] - mean[i])) / deviation[i];
    return sum;
  });
  const model: WordScores = { outputs, scores: rounded(scores) };
  return {
    ...(await written('embeddings', 'mean of word embeddings', model, folder)),
    parameters: scores.length,
    samples,
    inputOf: (place, tokens) => inputsOf(samples[place], tokens),
  };
}

async function written(
  kind: 'tfidf' | 'embeddings',
  engine: string,
  model: TextModel | WordScores,
  folder: string,
): Promise<Omit<Peer, 'parameters' | 'samples' | 'inputOf'>> {
  const file = join(folder, `${kind}.json`);
  const text = JSON.stringify(model);
  await writeFile(file, text);
  return {
    name: kind,
    engine,
    macs: null,
    modelBytes: Buffer.byteLength(text),
    installed: { bytes: 0, what: 'a script of a hundred lines' },
    runsOnWorkers: true,
    sameLogits: false,
    modelFor: async () => ({ kind, file }),
  };
}

async function textsOf(
  part: TextDataset['train'],
  onStep: () => void,
): Promise<{ readonly text: string; readonly label: Target }[]> {
  const texts = [];
  for await (const row of part.rows()) {
    onStep();
    texts.push({ text: wholeText(row), label: row.label });
  }
  return texts;
}

const wholeText = ({ text, pair }: TextRow): string => (pair === null ? text : `${text}\n${pair}`);

/** About so many tokens of a text: its words, again and again. */
function withTokens(text: string, own: number, tokens: number): string {
  const words = text.split(/\s+/).filter((word) => word !== '');
  const wanted = Math.max(1, Math.round((words.length * tokens) / own));
  return Array.from({ length: wanted }, (_, i) => words[i % words.length] ?? '').join(' ');
}

/** Of classes that the training part has scores, in the model's order; the others get none. */
function byOutput(
  { classes, weights, intercepts }: Logistic,
  outputs: number,
  features: number,
): { readonly weights: readonly Float64Array[]; readonly intercepts: Float64Array; readonly parameters: number } {
  const rows = Array.from({ length: outputs }, (): Float64Array => new Float64Array(features));
  const starts = new Float64Array(outputs).fill(NEVER);
  const scored = classes.length === 2 ? classes.slice(1) : classes;
  for (const known of classes) starts[known] = 0;
  scored.forEach((known, k) => {
    rows[known] = weights[k];
    starts[known] = intercepts[k];
  });
  return { weights: rows, intercepts: starts, parameters: scored.length * (features + 1) };
}

const rounded = (values: Float64Array): number[] => Array.from(values, (value) => Number(value.toPrecision(DIGITS)));

async function meanEmbeddings(
  teacher: TrainedModel,
  table: Float32Array,
  width: number,
  data: TextDataset,
  onStep: () => void,
): Promise<{ readonly vectors: Float64Array[]; readonly labels: Target[] }> {
  const prepared = await prepareSamples(data, 'train', preparationOf(teacher.preprocessing), { onRow: onStep });
  try {
    const [vectors, labels]: [Float64Array[], Target[]] = [[], []];
    for await (const batch of prepared.batches({ batchSize: EVALUATION_BATCH, seed: 0 })) {
      onStep();
      for (let i = 0; i < batch.size; i++) {
        vectors.push(meanOf(innerTokens(batch.sample(i).ids as Int32Array), table, width));
        labels.push(targetOf(batch.labels, i, EVALUATION_BATCH));
      }
    }
    return { vectors, labels };
  } finally {
    await prepared.close();
  }
}

function meanOf(ids: Int32Array, table: Float32Array, width: number): Float64Array {
  const mean = new Float64Array(width);
  for (const id of ids) for (let i = 0; i < width; i++) mean[i] += table[id * width + i] / ids.length;
  return mean;
}

/** Each part with mean 0 and deviation 1, so that the penalty means the same whatever the table's scale. */
function standardized(vectors: readonly Float64Array[]): {
  readonly scaled: Sparse[];
  readonly mean: Float64Array;
  readonly deviation: Float64Array;
} {
  const width = vectors[0].length;
  const mean = new Float64Array(width);
  const deviation = new Float64Array(width);
  for (const vector of vectors) for (let i = 0; i < width; i++) mean[i] += vector[i] / vectors.length;
  for (const vector of vectors)
    for (let i = 0; i < width; i++) deviation[i] += (vector[i] - mean[i]) ** 2 / vectors.length;
  for (let i = 0; i < width; i++) deviation[i] = Math.sqrt(deviation[i]) || 1;
  const places = Int32Array.from({ length: width }, (_, i) => i);
  const scaled = vectors.map((vector) => ({
    places,
    values: vector.map((value, i) => (value - mean[i]) / deviation[i]),
  }));
  return { scaled, mean, deviation };
}
