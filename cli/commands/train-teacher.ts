/** The teacher of a compression: loaded with the data's classes, judged, its vocabulary pruned. */
import type { Score } from '../../runtime/artifact/problem-type.ts';
import type { Dataset } from '../data/dataset.ts';
import { expectKind, prepareSamples } from '../data/prepare.ts';
import type { Samples } from '../data/samples.ts';
import type { TextRow, TextRows } from '../data/text/dataset.ts';
import type { Engine } from '../engines/engine.ts';
import { UserError, usageError } from '../io/errors.ts';
import { type Io, throwIfInterrupted, untilInterrupted } from '../io/io.ts';
import { createProgress } from '../io/progress.ts';
import { grouped } from '../io/units.ts';
import { tensorsOf } from '../models/layers.ts';
import { denseParts } from '../pclora/linear.ts';
import { type Checkpoint, loadDescription } from '../pretrained/checkpoint.ts';
import { findOutputs, matchOutputs } from '../pretrained/class-match.ts';
import { madeUp } from '../pretrained/labels.ts';
import { readLabels } from '../pretrained/labels-file.ts';
import { compileForward, evaluateForward } from '../train/evaluate.ts';
import { expectProblemType, preparationOf } from '../train/preparation.ts';
import { pruneCheckpoint } from '../train/prune-checkpoint.ts';
import { expectPreprocessing, loadDenseModel } from '../train/trained-model.ts';
import { uploadTensors } from '../train/trained-tensors.ts';
import type { TrainFlags } from './train-flags.ts';

/**
 * A dense model that knows the data's classes, which come in the data's order, by the model's own names where it has
 * any. UserError where it was not trained to tell them apart.
 */
export async function loadTeacher(
  name: string,
  folder: string,
  data: Dataset,
  { offline, maxTokens, base, labels: file }: TrainFlags,
  { stderr }: Io,
): Promise<Checkpoint> {
  const { config: stored } = await loadDescription(folder, { base, offline });
  expectProblemType(name, stored.problemType, data);
  const { labels: known } = stored;
  const said = await readLabels(file);
  const match = said === null ? findOutputs(stored, data) : matchOutputs(stored, data, said);
  const isWhole = match !== null && known.length === data.labels.length;
  const headLabels = isWhole && madeUp(known) ? inPlace(data.labels, match.indices) : known;
  const teacher = await loadDenseModel(folder, {
    labels: isWhole ? match.indices.map((index) => headLabels[index]) : data.labels,
    headLabels,
    problemType: data.problemType,
    maxTokens,
    base,
    offline,
    seed: 0,
  });
  expectKind(teacher.preprocessing.kind, data);
  expectPreprocessing(folder, teacher);
  if (!teacher.newHead) {
    for (const notice of match?.notices ?? []) createProgress(stderr, 'data').line(`note: ${notice}`);
    return teacher;
  }
  const some = (names: readonly string[]): string =>
    `${names.slice(0, 3).join(', ')}${names.length > 3 ? ' ...' : ''} (${names.length})`;
  const why = isWhole
    ? `${name} has no trained classification head`
    : `the teacher's labels are ${some(known)}, the data's are ${some(data.labels)}`;
  const orLabels = isWhole ? '' : ' Or say which is which: --labels FILE.';
  throw new UserError(why, `Fine-tune it first: slim finetune --model ${name} --data ...${orLabels}`);
}

/** Names by the places that they have in a model's list. */
function inPlace(names: readonly string[], indices: readonly number[]): readonly string[] {
  const placed = [...names];
  names.forEach((name, i) => {
    placed[indices[i]] = name;
  });
  return placed;
}

/** How good it is on samples that are prepared. */
export async function evaluateDense(
  engine: Engine,
  teacher: Checkpoint,
  test: Samples,
  { signal }: Io,
): Promise<Score> {
  const { model, tensors } = teacher;
  const specs = tensorsOf(model.layers);
  const forward = compileForward(engine, teacher, denseParts(specs));
  const uploaded = uploadTensors(engine, specs, tensors);
  const onBatch = (): void => throwIfInterrupted(signal);
  const { problemType } = model;
  const evaluation = await untilInterrupted(
    signal,
    evaluateForward(engine, forward, uploaded, test, { problemType, onBatch }),
  );
  for (const tensor of Object.values(uploaded)) tensor.dispose();
  await forward.dispose();
  return evaluation;
}

/** The teacher as it came, on texts in its own tokens. */
export async function evaluateUnpruned(engine: Engine, teacher: Checkpoint, data: Dataset, io: Io): Promise<Score> {
  const test = await prepareSamples(data, 'test', preparationOf(teacher.preprocessing));
  try {
    return await evaluateDense(engine, teacher, test, io);
  } finally {
    await test.close();
  }
}

/** With the tokens that the training texts use alone. Usage error of pictures. */
export async function pruneTeacher(teacher: Checkpoint, data: Dataset, { stderr, signal }: Io): Promise<Checkpoint> {
  if (data.kind !== 'text') throw usageError('--prune-vocabulary is for texts, and the data holds pictures');
  const progress = createProgress(stderr, 'text');
  async function* rows(train: TextRows): AsyncGenerator<TextRow> {
    let done = 0;
    for await (const row of train.rows()) {
      throwIfInterrupted(signal);
      yield row;
      progress.update(++done, train.size, 'read for the vocabulary');
    }
  }
  const pruned = await pruneCheckpoint(teacher, rows(data.train));
  progress.end();
  const [before, after] = [teacher, pruned].map(({ model }) => grouped(model.vocabularies.ids));
  progress.line(`note: The vocabulary is pruned from ${before} tokens to ${after}.`);
  return pruned;
}
