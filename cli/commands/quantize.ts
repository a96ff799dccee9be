import { type Command, Option } from 'commander';
import { type Metric, PROBLEMS } from '../../runtime/artifact/problem-type.ts';
import { INT4_GROUP } from '../../runtime/artifact/steps.ts';
import {
  addBaseOption,
  addDataOptions,
  addLabelsOption,
  addResultOptions,
  addRunOptions,
  configurationOf,
  createCommand,
  required,
  resolveFlags,
} from '../args.ts';
import { WEIGHTS, type Weights } from '../compress/quantize.ts';
import { precisionOf } from '../compress/stored-tensors.ts';
import { UserError } from '../io/errors.ts';
import type { Io } from '../io/io.ts';
import { formatBytes } from '../io/units.ts';
import { denseCost } from '../pclora/cost.ts';
import { saveDescription } from '../pretrained/checkpoint.ts';
import { quantize } from '../train/pack-trained.ts';
import { createRunDirectory, expectApart, expectRoom } from '../train/run-directory.ts';
import { scoreText } from '../train/score.ts';
import { loadTrainedModel, saveStored, type TrainedModel } from '../train/trained-model.ts';
import { type EvaluateFlags, evaluateOn, openJudgingData, outputsFor } from './evaluate.ts';
import { printResult } from './result.ts';
import { recordedRun } from './training.ts';

/** What `runQuantize` takes: where the run goes, and, where `data` is given, how its accuracy is measured. */
export interface QuantizeFlags extends Omit<EvaluateFlags, 'engine' | 'device' | 'threads'> {
  readonly out?: string;
  readonly overwrite: boolean;
  readonly weights: Weights;
}

/** The run's folder, and the bytes of all its tensors before and after. */
export interface QuantizeResult extends MaybeScore {
  readonly run: string;
  readonly weightBytes: { readonly before: number; readonly after: number };
}

/** The score on --data's test part under its metric's name; null without data. */
type MaybeScore = { readonly [M in Metric]?: number | null };

/** `slim quantize`, which `runQuantize` is. */
export function quantizeCommand(io: Io): Command {
  const command = createCommand(
    'quantize',
    'int8 weights, a scale for each output channel, or int4',
    `Quantizes the weights of every linear layer to int8, or to int4 in groups of 32. No calibration data is needed:
activations are quantized while the model runs. With --data the result is evaluated and its accuracy recorded.`,
    [
      'slim quantize runs/small --out runs/int8',
      'slim quantize runs/small --data pets/ --out runs/int8',
      'slim quantize runs/small --weights int4 --data pets/ --out runs/int4',
    ],
  )
    .argument('<run>', 'a run of slim train or slim finetune, or a Hugging Face folder')
    .addOption(
      new Option(
        '--weights <type>',
        'what weights are stored in: int4 halves the file, runs as fast, and rounds more coarsely',
      )
        .choices(WEIGHTS)
        .default('int8'),
    );
  addLabelsOption(addDataOptions(command, { inherited: true }));
  addResultOptions(addRunOptions(addBaseOption(command)));
  return command.action(async (path: string) => {
    const flags = await resolveFlags<QuantizeFlags>(command);
    const result = await runQuantize(path, flags, io);
    const { before, after } = result.weightBytes;
    const score = Object.values(PROBLEMS).flatMap(({ metric }) =>
      typeof result[metric] === 'number' ? [`, ${scoreText({ [metric]: result[metric], samples: 0 })}`] : [],
    );
    printResult(
      io,
      flags.json,
      { ...result },
      `quantized: weights ${formatBytes(before)} to ${formatBytes(after)}${score.join('')}, in ${result.run}`,
    );
  });
}

/** `slim quantize` */
export async function runQuantize(path: string, flags: QuantizeFlags, io: Io): Promise<QuantizeResult> {
  const out = required(flags.out, '--out');
  await expectApart(out, path);
  await expectRoom(out, flags.overwrite);
  const trained = await loadTrainedModel(path, { base: flags.base });
  if (trained.precision !== 'f32') throw new UserError(`${path} is quantized already`);
  const quantized = quantize(trained, flags.weights);
  if (precisionOf(quantized.stored) !== flags.weights)
    throw new UserError(
      `--weights ${flags.weights}: no weight of ${path} has rows of ${INT4_GROUP} values or more, and shorter ones stay int8`,
      'Leave out --weights.',
    );
  const data = flags.data === undefined ? null : await openJudgingData(flags.data, trained, flags, io);
  const evaluation =
    data &&
    (await evaluateOn(quantized, data, { engine: 'onnx', device: 'cpu' }, io, {
      outputs: await outputsFor(quantized, data, flags, io),
    }));
  const run = await createRunDirectory(out, flags.overwrite);
  const record = {
    kind: 'quantize' as const,
    problemType: trained.config.problemType,
    source: trained.source,
    configuration: { ...trained.record?.configuration, quantize: configurationOf(flags) },
    compression: trained.compression,
    costs: trained.record?.costs ?? { teacher: null, model: denseCost(trained.model) },
  };
  const { metric } = PROBLEMS[trained.config.problemType];
  const steps = trained.record?.steps ?? { done: 0, total: 0 };
  return recordedRun(run, record, steps.total, async () => {
    await saveDescription(run.folder, quantized);
    await saveStored(run.path('weights'), quantized.stored);
    return {
      result: {
        run: run.folder,
        weightBytes: { before: storedBytes(trained), after: storedBytes(quantized) },
        [metric]: evaluation?.[metric] ?? null,
      },
      accuracy: [...(trained.record?.accuracy ?? []), ...(evaluation ? [{ stage: flags.weights, ...evaluation }] : [])],
      steps: steps.done,
    };
  });
}

function storedBytes({ stored }: TrainedModel): number {
  return [...stored.values()].reduce((sum, { data }) => sum + data.length, 0);
}
