import { type Command, Option } from 'commander';
import { PROBLEMS } from '../../runtime/artifact/problem-type.ts';
import {
  addDataOptions,
  addLabelsOption,
  addResultOptions,
  createCommand,
  type DataFlags,
  type LabelsFlags,
  required,
  resolveFlags,
} from '../args.ts';
import { benchAgreement } from '../bench/agreement.ts';
import { prepareSamples } from '../data/prepare.ts';
import { createEngine } from '../engines/create.ts';
import { UserError } from '../io/errors.ts';
import { type Io, throwIfInterrupted } from '../io/io.ts';
import { createProgress } from '../io/progress.ts';
import { formatBytes } from '../io/units.ts';
import { counted } from '../io/words.ts';
import { findOutputs, matchOutputs } from '../pretrained/class-match.ts';
import { readLabels } from '../pretrained/labels-file.ts';
import { preparationOf } from '../train/preparation.ts';
import { metricName, scoreValue } from '../train/score.ts';
import { loadTrainedModel } from '../train/trained-model.ts';
import { openJudgingData, PARTS, type Part, partsOfData } from './evaluate.ts';
import { printResult } from './result.ts';

interface AgreementFlags extends LabelsFlags, Partial<DataFlags> {
  readonly model?: string;
  readonly part: Part;
  readonly json: boolean;
}

/** `slim bench agreement`. UserError where the model is quantized already. */
export function agreementCommand(io: Io): Command {
  const command = createCommand(
    'agreement',
    'how far the packed int8 model says what the f32 model says',
    `Packs a model in int8 in memory and runs every sample through both: the f32 model on onnxruntime, the artifact on
the runtime that serves it. Agreement is the share of samples for which both give the same label, or the same labels; of
models for numbers the correlation of both. Their scores are told, too, where the model knows the data's labels.`,
    [
      'slim bench agreement --model runs/small --data pets/',
      'slim bench agreement --model vit-tiny-imagenet/ --data photos/ --part all --json',
    ],
  )
    .option('--model <folder>', 'a run that is not quantized yet, or a Hugging Face folder')
    .addOption(new Option('--part <which>', "the data's part").choices(PARTS).default('test'));
  addResultOptions(addLabelsOption(addDataOptions(command, { inherited: true })));
  return command.action(async () => {
    const flags = await resolveFlags<AgreementFlags>(command);
    const path = required(flags.model, '--model');
    const trained = await loadTrainedModel(path);
    if (trained.precision !== 'f32')
      throw new UserError(
        `${path} is quantized already: there is no f32 model to compare with`,
        'Give the run that it was quantized from.',
      );
    const data = await openJudgingData(required(flags.data, '--data'), trained, flags, io);
    const preparation = preparationOf(trained.preprocessing);
    const splits = await Promise.all(
      partsOfData(data, flags.part).map((part) => prepareSamples(data, part, preparation)),
    );
    const { labels } = trained.config;
    const knows = flags.labels !== undefined || data.labels.some((label) => labels.includes(label));
    // Of a model that knows none of the classes, agreement is told all the same.
    const match =
      knows || labels.length === data.labels.length
        ? matchOutputs(trained.config, data, await readLabels(flags.labels), { mayShare: true })
        : findOutputs(trained.config, data);
    const progress = createProgress(io.stderr, 'batch');
    for (const notice of match?.notices ?? []) progress.line(`note: ${notice}`);
    const result = await benchAgreement(trained, splits, await createEngine({ engine: 'onnx', device: 'cpu' }, io), {
      outputs: match,
      onBatch(done, total) {
        throwIfInterrupted(io.signal);
        progress.update(done, total, 'compared');
      },
    });
    progress.end();
    await Promise.all(splits.map((split) => split.close()));
    const { samples, agreement, bytes } = result;
    const { problemType } = trained.config;
    const { metric } = PROBLEMS[problemType];
    const both = result[metric];
    const shown = (value: number | null): string => scoreValue({ [metric]: value, samples });
    const scores = both
      ? `; ${metricName({ [metric]: both.f32, samples })} ${shown(both.f32)} in f32, ${shown(both.int8)} in int8`
      : '';
    const agrees =
      problemType === 'regression'
        ? `correlates with the f32 model at ${shown(agreement)} on ${counted(samples, 'sample')}`
        : `agrees on ${shown(agreement)} of ${counted(samples, 'sample')}`;
    printResult(
      io,
      flags.json,
      { model: path, part: flags.part, ...result },
      `the int8 artifact (${formatBytes(bytes)}) ${agrees}${scores}`,
    );
  });
}
