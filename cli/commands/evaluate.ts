import { type Command, Option } from 'commander';
import { type Artifact, readArtifact } from '../../runtime/artifact/artifact.ts';
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
import type { Dataset } from '../data/dataset.ts';
import { type PreparedSamples, prepareSamples } from '../data/prepare.ts';
import { createEngine, type EngineChoice } from '../engines/create.ts';
import { openArtifact } from '../io/artifact.ts';
import { UserError } from '../io/errors.ts';
import { kindOf } from '../io/files.ts';
import { type Io, throwIfInterrupted } from '../io/io.ts';
import { printable } from '../io/printable.ts';
import { createProgress } from '../io/progress.ts';
import { type ClassMatch, matchClasses, readLabels } from '../pretrained/class-match.ts';
import { compileForward, type Evaluation, evaluateForward } from '../train/evaluate.ts';
import { evaluateArtifact } from '../train/evaluate-artifact.ts';
import { packTrained } from '../train/pack-trained.ts';
import { artifactPreparation, preparationOf } from '../train/preparation.ts';
import { floatTensors, loadTrainedModel, partsOf, type TrainedModel, weightSpecs } from '../train/trained-model.ts';
import { uploadTensors } from '../train/trained-tensors.ts';
import { percent, printResult, skippedNote } from './result.ts';

/** Which part of a data set a model is judged on. */
export const PARTS = ['test', 'train', 'all'] as const;
/** The samples of a data set that judge: those held out, those trained on, or both. */
export type Part = (typeof PARTS)[number];

/** What `runEvaluate` takes. A split and columns that are absent are those of the model's run. */
export interface EvaluateFlags extends EngineChoice, CacheFlags, LabelsFlags, BaseFlags, Partial<DataFlags> {
  readonly part?: Part;
  readonly json: boolean;
}

/** The accuracy, and how many samples --skip-bad left out. */
export interface EvaluateResult extends Evaluation {
  readonly skipped: number;
}

/** `slim evaluate`, which `runEvaluate` is. */
export function evaluateCommand(io: Io): Command {
  const command = createCommand(
    'evaluate',
    'accuracy of a run or an artifact on the test part of a data set',
    `Counts how often a model's largest logit is the label's. Dense and compressed runs are computed by --engine; int8
runs and .slim files by the runtime that serves them.`,
    ['slim evaluate runs/small --data pets/', 'slim evaluate model.slim --data pets/ --json'],
  ).argument('<model>', 'a run, a Hugging Face folder, or a .slim file');
  addLabelsOption(addCacheOption(addDataOptions(command, { inherited: true }))).addOption(
    new Option('--part <which>', "the data's part that judges; all takes a file of its own whole")
      .choices(PARTS)
      .default('test'),
  );
  addResultOptions(addEngineOptions(addBaseOption(command)));
  return command.action(async (path: string) => {
    const flags = await resolveFlags<EvaluateFlags>(command);
    const result = await runEvaluate(path, flags, io);
    printResult(
      io,
      flags.json,
      { ...result },
      `accuracy ${percent(result.accuracy)} on ${result.samples} samples${skippedNote(result)}`,
    );
  });
}

/** `slim evaluate` */
export async function runEvaluate(path: string, flags: EvaluateFlags, io: Io): Promise<EvaluateResult> {
  const dataPath = required(flags.data, '--data');
  const kind = await kindOf(path);
  if (kind === 'absent')
    throw new UserError(`${path} does not exist`, 'Give a run, a Hugging Face folder, or a .slim file.');
  const model = kind === 'file' ? await openArtifact(path) : await loadTrainedModel(path, { base: flags.base });
  const configuration = 'manifest' in model ? model.manifest.configuration : model.record?.configuration;
  const data = await openData(dataPath, inheritSplit(flags, configuration), io);
  if ((flags.part ?? 'test') === 'test')
    for (const notice of data.notices) io.stderr.write(printable(`note: ${notice}\n`));
  for (const notice of (await classMatch(model, data, flags)).notices) io.stderr.write(printable(`note: ${notice}\n`));
  const evaluations: Evaluation[] = [];
  for (const part of partsOfData(flags.part)) evaluations.push(await evaluateOn(model, data, flags, io, part));
  const samples = evaluations.reduce((sum, one) => sum + one.samples, 0);
  const correct = evaluations.reduce((sum, one) => sum + one.accuracy * one.samples, 0);
  return { accuracy: samples === 0 ? 0 : Math.round(correct) / samples, samples, skipped: data.skipped };
}

/** The parts of a `Dataset` that a --part stands for; the test part unless given. */
export function partsOfData(part: Part = 'test'): readonly ('train' | 'test')[] {
  return part === 'all' ? ['train', 'test'] : [part];
}

/** Accuracy on a part of a data set. */
export async function evaluateOn(
  model: Artifact | TrainedModel,
  data: Dataset,
  choice: EngineChoice & CacheFlags & LabelsFlags,
  io: Io,
  part: 'train' | 'test' = 'test',
): Promise<Evaluation> {
  const progress = createProgress(io.stderr, 'batch');
  const onBatch = (done: number, total: number): void => {
    throwIfInterrupted(io.signal);
    progress.update(done, total, 'evaluated');
  };
  const onRow = (): void => throwIfInterrupted(io.signal);
  const { indices: classOf } = await classMatch(model, data, choice);
  let samples: PreparedSamples | null = null;
  try {
    const artifact =
      'manifest' in model ? model : model.precision === 'int8' ? await readArtifact(await packTrained(model)) : null;
    samples = await prepareSamples(
      data,
      part,
      artifact ? await artifactPreparation(artifact) : preparationOf((model as TrainedModel).preprocessing),
      { onRow, cache: cacheOptions(choice, data, io) },
    );
    for (const notice of samples.notices) progress.line(`note: ${notice}`);
    if (artifact)
      return await evaluateArtifact(artifact, samples, {
        classOf,
        onBatch,
      });
    const trained = model as TrainedModel;
    const engine = await createEngine(choice, io);
    const forward = compileForward(engine, trained, partsOf(trained));
    const tensors = uploadTensors(
      engine,
      weightSpecs(trained.model, trained.compression),
      floatTensors(trained.stored),
    );
    const options = { classOf, onBatch };
    const evaluation = await evaluateForward(engine, forward, tensors, samples, options);
    await forward.dispose();
    return evaluation;
  } finally {
    progress.end();
    await samples?.close();
  }
}

/** Which of the model's classes each of the data's is, and what was assumed. UserError where it does not know one. */
export async function classMatch(
  model: Artifact | TrainedModel,
  data: Dataset,
  { labels }: LabelsFlags,
): Promise<ClassMatch> {
  const known = 'manifest' in model ? model.manifest.labels : model.config.labels;
  return matchClasses(known, data.labels, await readLabels(labels));
}
