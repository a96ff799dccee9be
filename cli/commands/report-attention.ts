/** What teacher and students look at, for `slim report`. */
import { PROBLEMS } from '../../runtime/artifact/problem-type.ts';
import { SCORES } from '../../runtime/http/inference.ts';
import type { Dataset } from '../data/dataset.ts';
import { prepareSamples } from '../data/prepare.ts';
import type { Batch } from '../data/samples.ts';
import { createEngine, type EngineChoice } from '../engines/create.ts';
import type { Engine } from '../engines/engine.ts';
import { kindOf } from '../io/files.ts';
import { type Io, throwIfInterrupted } from '../io/io.ts';
import { createProgress } from '../io/progress.ts';
import { classTokens } from '../models/vit.ts';
import { type Look, looksOf } from '../report/attention.ts';
import type { LookedAt, ShownLook, ShownMap } from '../report/attention-section.ts';
import { chosenSamples } from '../report/chosen-samples.ts';
import { type PictureOptions, thumbnailOf, veilOf } from '../report/pictures.ts';
import type { Stage } from '../report/stages.ts';
import { createPieces, type Word } from '../text/pieces.ts';
import { preparationOf } from '../train/preparation.ts';
import { readRunRecord } from '../train/run-directory.ts';
import { argmax, createCorrelation } from '../train/scorer.ts';
import { loadTrainedModel, type TrainedModel } from '../train/trained-model.ts';

/** More have no room beside each other. */
export const MOST_MODELS = 4;

/** A model, its looks at all samples, and the samples as it takes them. */
interface Looking {
  readonly name: string;
  readonly trained: TrainedModel;
  readonly looks: readonly Look[];
  readonly batches: readonly Batch[];
}

/** What `slim report` shows of attention. */
export interface Attention {
  readonly looks: readonly LookedAt[];
  /** The models that are left out, and why. */
  readonly unseen: readonly string[];
}

/**
 * The looks of all models among the stages that lie in folders and are not quantized, the first as they come, at so many
 * samples of the data's test part.
 */
export async function attentionOf(
  stages: readonly Stage[],
  data: Dataset,
  { samples: count, side }: PictureOptions,
  choice: EngineChoice,
  io: Io,
): Promise<Attention> {
  const { models, unseen } = await modelsAmong(stages);
  if (models.length === 0 || count === 0 || data.test.size === 0) return { looks: [], unseen };
  const chosen = await chosenSamples(data, count);
  const engine = await createEngine(choice, io);
  const progress = createProgress(io.stderr, 'model');
  const looking: Looking[] = [];
  for (const { path, name } of models) {
    throwIfInterrupted(io.signal);
    looking.push(await lookWith(engine, name, path, chosen));
    progress.update(looking.length, models.length, 'attention computed');
  }
  progress.end();
  const looks = await Promise.all(looking[0].batches.map((_, sample) => lookedAt(looking, sample, chosen, side)));
  return { looks, unseen };
}

async function modelsAmong(stages: readonly Stage[]): Promise<{ models: Stage[]; unseen: string[] }> {
  const models: Stage[] = [];
  const unseen: string[] = [];
  for (const stage of stages) {
    const why = (await obstacleOf(stage)) ?? (models.length === MOST_MODELS ? `more than ${MOST_MODELS}` : null);
    if (why === null) models.push(stage);
    else unseen.push(`${stage.name} (${why})`);
  }
  return { models, unseen };
}

/** Why attention of what lies there is not computed; null where it is. */
async function obstacleOf({ path, what }: Stage): Promise<string | null> {
  const kind = await kindOf(path);
  if (kind === 'absent') return 'not found';
  if (kind === 'file') return 'a .slim file';
  const record = await readRunRecord(path);
  if (record === null) return null;
  if (record.kind === 'quantize') return `quantized to ${what}`;
  return record.status === 'finished' ? null : record.status;
}

async function lookWith(engine: Engine, name: string, path: string, data: Dataset): Promise<Looking> {
  const trained = await loadTrainedModel(path);
  const samples = await prepareSamples(data, 'test', preparationOf(trained.preprocessing));
  try {
    // Texts come sorted by their length: the places tell which is which.
    const batches: Batch[] = new Array(samples.size);
    for await (const batch of samples.batches({ batchSize: 1, seed: 0 })) batches[batch.rows[0]] = batch;
    return { name, trained, batches, looks: await looksOf(engine, trained, batches) };
  } finally {
    await samples.close();
  }
}

async function lookedAt(looking: readonly Looking[], sample: number, data: Dataset, side: number): Promise<LookedAt> {
  const looks: ShownLook[] = [];
  for (const one of looking) looks.push(await shownLook(one, sample, looks[0] ?? null));
  const [{ trained, batches }] = looking;
  const label = labelOf(data, batches[sample]);
  if (trained.preprocessing.kind === 'text') return { label, looks };
  const { data: pixels, shape } = batches[sample].inputs.pictures;
  const picture = { height: shape[1], width: shape[2], data: pixels as Uint8Array };
  return { label, picture: await thumbnailOf(picture, side), looks };
}

function labelOf({ labels, problemType }: Dataset, { labels: targets }: Batch): string {
  if (problemType === 'single_label_classification') return labels[targets[0]];
  const values = Array.from(targets).slice(0, labels.length);
  if (problemType === 'regression') return values.join(', ');
  return labels.filter((_, k) => values[k] > 0.5).join(', ') || 'none';
}

async function shownLook(
  { name: model, trained, looks, batches }: Looking,
  sample: number,
  first: ShownLook | null,
): Promise<ShownLook> {
  const { rollout, last, logits } = looks[sample];
  const named = [
    ['rollout', rollout],
    ['last block', last],
  ] as const;
  const maps = await Promise.all(
    named.map(async ([name, weights], i): Promise<ShownMap> => {
      const map = await mapOf(trained, batches[sample], weights);
      return { name, ...map, agreement: first === null ? null : correlationOf(map.weights, first.maps[i].weights) };
    }),
  );
  return { model, answer: answerOf(trained, logits), maps };
}

function answerOf({ config: { labels, problemType } }: TrainedModel, logits: Float32Array): ShownLook['answer'] {
  if (problemType !== 'single_label_classification') return null;
  const scores = SCORES[PROBLEMS[problemType].scores](logits);
  const best = argmax(scores);
  return { label: labels[best], score: scores[best] };
}

async function mapOf(
  { config, preprocessing }: TrainedModel,
  batch: Batch,
  tokens: Float64Array,
): Promise<Pick<ShownMap, 'weights' | 'veil' | 'words'>> {
  if ('patchSize' in config) {
    const weights = Array.from(tokens.subarray(classTokens(config)));
    return { weights, veil: await veilOf(weights, config.imageSize.width / config.patchSize) };
  }
  if (preprocessing.kind !== 'text') throw new Error('a model of texts without a tokenizer');
  const words: readonly Word[] = createPieces(preprocessing.tokenizer).wordsOf(batch.sample(0).ids);
  const weights = words.map((word) => word.tokens.reduce((sum, token) => sum + tokens[token], 0));
  return { weights, words };
}

/** null where one does not vary, and where they are of other words: a vocabulary that was pruned may cut them otherwise. */
function correlationOf(a: readonly number[], b: readonly number[]): number | null {
  if (a.length !== b.length) return null;
  const correlation = createCorrelation();
  a.forEach((value, i) => correlation.add(value, b[i]));
  return correlation.value();
}
