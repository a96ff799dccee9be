import { type Command, Option } from 'commander';
import { type Artifact, readArtifact } from '../../runtime/artifact/artifact.ts';
import type { ProblemType, Score } from '../../runtime/artifact/problem-type.ts';
import {
  addBaseOption,
  addCacheOption,
  addDataOptions,
  addEngineOptions,
  addLabelsOption,
  addResultOptions,
  type BaseFlags,
  type CacheFlags,
  cacheOptions,
  createCommand,
  type DataFlags,
  inheritSplit,
  type LabelsFlags,
  openData,
  required,
  resolveFlags,
} from '../args.ts';
import { classCounts } from '../data/class-report.ts';
import type { TrainedOn } from '../data/contents.ts';
import type { Dataset } from '../data/dataset.ts';
import { type PreparedSamples, prepareSamples } from '../data/prepare.ts';
import { createEngine, type EngineChoice } from '../engines/create.ts';
import { openArtifact } from '../io/artifact.ts';
import { UserError, usageError } from '../io/errors.ts';
import { kindOf, writeFileAtomic } from '../io/files.ts';
import { type Io, throwIfInterrupted } from '../io/io.ts';
import { printable } from '../io/printable.ts';
import { createProgress } from '../io/progress.ts';
import { taskOf } from '../models/task.ts';
import { matchOutputs, type OutputMatch } from '../pretrained/class-match.ts';
import { labelledBy, readLabels } from '../pretrained/labels-file.ts';
import { compileForward, type EvaluateOptions, evaluateForward, type Judged } from '../train/evaluate.ts';
import { evaluateArtifact } from '../train/evaluate-artifact.ts';
import { createMetering, type Metrics } from '../train/metrics/metrics.ts';
import { byWrongness, worstAnswers } from '../train/metrics/worst.ts';
import { packTrained } from '../train/pack-trained.ts';
import { artifactPreparation, expectProblemType, preparationOf } from '../train/preparation.ts';
import { floatTensors, loadTrainedModel, partsOf, type TrainedModel, weightSpecs } from '../train/trained-model.ts';
import { uploadTensors } from '../train/trained-tensors.ts';
import { errorsCsv, expectErrorsFile, type WrongSample } from './evaluate-errors.ts';
import { metricsReport } from './evaluate-report.ts';
import { printResult, skippedNote } from './result.ts';

/** Which part of a data set a model is judged on. */
export const PARTS = ['test', 'train', 'all'] as const;
/** The samples of a data set that judge: those held out, those trained on, or both. */
export type Part = (typeof PARTS)[number];

/** What `runEvaluate` takes. A split, columns and a task that are absent are those of the model or its run. */
export interface EvaluateFlags extends EngineChoice, CacheFlags, LabelsFlags, BaseFlags, Partial<DataFlags> {
  readonly part?: Part;
  /** A CSV file for the samples that the model is most wrong about. */
  readonly errors?: string;
  /** Whether it may be there already. */
  readonly overwrite?: boolean;
  readonly json: boolean;
}

/** All metrics of the model's problem type, of how many samples they are, and how many --skip-bad left out. */
export type EvaluateResult = Metrics & { readonly samples: number; readonly skipped: number };

/** How many samples --errors writes. */
const MOST_ERRORS = 1000;

/** `slim evaluate`, which `runEvaluate` is. */
export function evaluateCommand(io: Io): Command {
  const command = createCommand(
    'evaluate',
    'metrics of a run or an artifact on the test part of a data set',
    `Of models for one label: accuracy, precision, recall and F1 of each class and their means, calibration, confusions. For
any number of labels: micro and macro F1, mean average precision, and those of each label. For numbers: the correlations
of Pearson and Spearman, and the root of the mean squared error. Dense and compressed runs are computed by --engine; int8
runs and .slim files by the runtime that serves them.

Data in parts (train/ and val/, train.csv and test.csv) judges by its validation part, or else its test part; --part all
takes all. A file or folder without parts judges as a whole where the model was not trained on it. Of one that it was
trained on it is the share that was held out then, which a run and its artifact know by the data's digest.`,
    [
      'slim evaluate runs/small --data pets/',
      'slim evaluate model.slim --data pets/ --json',
      'slim evaluate reviews.slim --data test.csv --errors wrong.csv',
    ],
  ).argument('<model>', 'a run, a Hugging Face folder, or a .slim file');
  addLabelsOption(addCacheOption(addDataOptions(command, { inherited: true })))
    .addOption(
      new Option('--part <which>', "the data's part that judges; all takes what was trained on, too")
        .choices(PARTS)
        .default('test'),
    )
    .option(
      '--errors <file>',
      `write the samples that the model is most wrong about, at most ${MOST_ERRORS}, to a CSV file, worst first`,
    )
    .option('--overwrite', 'replace the file of --errors that is there');
  addResultOptions(addEngineOptions(addBaseOption(command)));
  return command.action(async (path: string) => {
    const flags = await resolveFlags<EvaluateFlags>(command);
    const result = await runEvaluate(path, flags, io);
    printResult(io, flags.json, { ...result }, metricsReport(result, `${skippedNote(result)}`));
  });
}

/** `slim evaluate` */
export async function runEvaluate(path: string, flags: EvaluateFlags, io: Io): Promise<EvaluateResult> {
  const dataPath = required(flags.data, '--data');
  if (flags.errors !== undefined) await expectErrorsFile(flags.errors, flags, [path, dataPath, flags.labels]);
  const most = flags.errors === undefined ? 0 : MOST_ERRORS;
  const { data, result, wrong } = await judgeModel(path, dataPath, flags, most, io);
  if (flags.errors !== undefined) await writeFileAtomic(flags.errors, await errorsCsv(data, wrong));
  return result;
}

/** A model's metrics, the data that they are of, and what it was most wrong about, worst first. */
export interface Judgement {
  readonly data: Dataset;
  /** The data's labels as the model calls them. */
  readonly names: readonly string[];
  readonly result: EvaluateResult;
  readonly wrong: readonly WrongSample[];
}

/** Judges a run, a Hugging Face folder or an artifact; keeps the `most` worst answers. */
export async function judgeModel(
  path: string,
  dataPath: string,
  flags: Omit<EvaluateFlags, 'errors' | 'overwrite' | 'json'>,
  most: number,
  io: Io,
): Promise<Judgement> {
  const kind = await kindOf(path);
  if (kind === 'absent')
    throw new UserError(`${path} does not exist`, 'Give a run, a Hugging Face folder, or a .slim file.');
  const model = kind === 'file' ? await openArtifact(path) : await loadTrainedModel(path, { base: flags.base });
  const data = await openJudgingData(dataPath, model, flags, io);
  const outputs = await outputsFor(model, data, flags, io);
  const { problemType, labels: known } = headOf(model);
  const labels = judgedLabels(model, outputs);
  const metering = createMetering(problemType, labels);
  const wrong: WrongSample[] = [];
  let samples = 0;
  for (const part of partsOfData(data, flags.part)) {
    const worst = most === 0 ? null : worstAnswers(problemType, labels, most);
    const onSample = (sample: Judged): void => {
      metering.add(sample);
      worst?.add(sample);
    };
    const score = await evaluateOn(model, data, flags, io, { part, outputs, onSample });
    samples += score.samples;
    wrong.push(...(worst?.answers() ?? []).map((answer) => ({ part, ...answer })));
  }
  return {
    data,
    names: outputs.indices.map((index) => known[index]),
    result: { ...metering.metrics(), samples, skipped: data.skipped },
    wrong: wrong.sort(byWrongness).slice(0, most),
  };
}

/** The labels of a model and what it says of them. */
export function headOf(model: Artifact | TrainedModel): {
  readonly labels: readonly string[];
  readonly problemType: ProblemType;
} {
  return 'manifest' in model ? model.manifest : model.config;
}

function takenBy(model: Artifact | TrainedModel): Dataset['kind'] {
  if ('manifest' in model) return model.manifest.task === 'image-classification' ? 'image' : 'text';
  return model.preprocessing.kind;
}

/**
 * The data that judges a model, read as the model's run read its own; of what it was trained on, the part that was held
 * out. Tells what was guessed. UserError where its labels are of another kind than what the model answers.
 */
export async function openJudgingData(
  path: string,
  model: Artifact | TrainedModel,
  flags: Partial<DataFlags> & LabelsFlags & { readonly part?: Part },
  io: Io,
): Promise<Dataset> {
  const configuration = 'manifest' in model ? model.manifest.configuration : model.record?.configuration;
  const resolved = inheritSplit(flags, configuration);
  const { problemType } = headOf(model);
  const task = flags.task ?? taskOf(problemType);
  const said = await readLabels(flags.labels);
  const opened = await openData(path, { ...resolved, task }, io, {
    judging: {
      trainedOn: recordedTraining(configuration),
      offersAll: flags.part === 'test',
      mayLackLabels: flags.labelColumn === undefined,
    },
    takes: async () => takenBy(model),
  });
  const data = labelledBy(opened, said);
  for (const notice of data.notices) io.stderr.write(printable(`note: ${notice}\n`));
  expectProblemType('the model', problemType, data);
  if (configuration?.pairs === true && data.kind === 'text' && !data.pairs)
    throw new UserError(
      `the model was trained on pairs of texts, and ${data.name} is read as single ones`,
      'Name both columns: --text-column A --text-pair-column B.',
    );
  return data;
}

/** What a run recorded; null where one of before there was a record trained on something. */
function recordedTraining(configuration: Readonly<Record<string, unknown>> = {}): readonly TrainedOn[] | null {
  const { trainedOn } = configuration;
  if (Array.isArray(trainedOn)) return trainedOn as readonly TrainedOn[];
  return Object.keys(configuration).some((name) => name !== 'quantize') ? null : [];
}

/** The parts of a `Dataset` that a --part stands for; the test part unless given. Usage error where there is none. */
export function partsOfData({ name, train }: Dataset, part: Part = 'test'): readonly ('train' | 'test')[] {
  const parts = (part === 'all' ? ['train', 'test'] : [part]) as readonly ('train' | 'test')[];
  const there = parts.filter((one) => one === 'test' || train.size > 0);
  if (there.length === 0)
    throw usageError(`--part train: the model was trained on nothing of ${name}`, 'Leave it out: all of it judges.');
  return there;
}

/** What `evaluateOn` goes over, and how the data's labels are the model's (`outputsFor`). */
export interface PartOptions extends Pick<EvaluateOptions, 'onSample'> {
  readonly part?: 'train' | 'test';
  readonly outputs: OutputMatch;
}

/** The score on a part of a data set; `onSample` is told of every sample. */
export async function evaluateOn(
  model: Artifact | TrainedModel,
  data: Dataset,
  choice: EngineChoice & CacheFlags,
  io: Io,
  { part = 'test', outputs, onSample }: PartOptions,
): Promise<Score> {
  const progress = createProgress(io.stderr, 'batch');
  const onBatch = (done: number, total: number): void => {
    throwIfInterrupted(io.signal);
    progress.update(done, total, 'evaluated');
  };
  const onRow = (): void => throwIfInterrupted(io.signal);
  const options = { outputs, onSample, onBatch };
  let samples: PreparedSamples | null = null;
  try {
    const artifact =
      'manifest' in model ? model : model.precision === 'f32' ? null : await readArtifact(await packTrained(model));
    samples = await prepareSamples(
      data,
      part,
      artifact ? await artifactPreparation(artifact) : preparationOf((model as TrainedModel).preprocessing),
      { onRow, cache: cacheOptions(choice, data, io) },
    );
    for (const notice of samples.notices) progress.line(`note: ${notice}`);
    if (artifact) return await evaluateArtifact(artifact, samples, options);
    const trained = model as TrainedModel;
    const engine = await createEngine(choice, io);
    const forward = compileForward(engine, trained, partsOf(trained));
    const tensors = uploadTensors(
      engine,
      weightSpecs(trained.model, trained.compression),
      floatTensors(trained.stored),
    );
    const { problemType } = trained.config;
    const score = await evaluateForward(engine, forward, tensors, samples, { problemType, ...options });
    await forward.dispose();
    return score;
  } finally {
    progress.end();
    await samples?.close();
  }
}

/**
 * Which of the model's outputs each of the data's labels is; says what was assumed. UserError as `matchOutputs`.
 */
export async function outputsFor(
  model: Artifact | TrainedModel,
  data: Dataset,
  { labels }: LabelsFlags,
  { stderr }: Io,
): Promise<OutputMatch> {
  const counts = classCounts(data).map(({ train, test }) => train + test);
  const head = { ...data, counts: counts.length === 0 ? undefined : counts };
  const match = matchOutputs(headOf(model), head, await readLabels(labels), { mayShare: true });
  for (const notice of match.notices) stderr.write(printable(`note: ${notice}\n`));
  return match;
}

/** The names of what is judged. */
function judgedLabels(model: Artifact | TrainedModel, { judged }: OutputMatch): readonly string[] {
  const { labels } = headOf(model);
  return judged === null ? labels : judged.map((k) => labels[k]);
}
