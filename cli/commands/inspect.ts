import type { Command } from 'commander';
import type { Cost, Manifest, StageAccuracy } from '../../runtime/artifact/manifest.ts';
import { memoryLayout } from '../../runtime/artifact/plan-memory.ts';
import { addResultOptions, createCommand, resolveFlags } from '../args.ts';
import { openArtifact } from '../io/artifact.ts';
import { UserError } from '../io/errors.ts';
import { kindOf } from '../io/files.ts';
import type { Io } from '../io/io.ts';
import { formatBytes, formatMacs, grouped } from '../io/units.ts';
import { counted } from '../io/words.ts';
import { taskOf } from '../models/task.ts';
import { denseCost } from '../pclora/cost.ts';
import { loadDescription } from '../pretrained/checkpoint.ts';
import { readRunRecord } from '../train/run-directory.ts';
import { metricName, scoreValue } from '../train/score.ts';
import { printResult, table } from './result.ts';

/** `slim inspect`. A file is read as an artifact, a folder as a run or a Hugging Face folder. */
export function inspectCommand(io: Io): Command {
  const command = createCommand(
    'inspect',
    'what a run or an artifact is, and how it was made',
    `Prints what a run, a Hugging Face folder or a .slim file tells of itself: costs, accuracy after each stage, the
resolved configuration.`,
    ['slim inspect model.slim', 'slim inspect runs/small --json'],
  ).argument('<model>', 'a run, a Hugging Face folder, or a .slim file');
  addResultOptions(command);
  return command.action(async (path: string) => {
    const { json } = await resolveFlags<{ json: boolean }>(command);
    const kind = await kindOf(path);
    if (kind === 'absent')
      throw new UserError(`${path} does not exist`, 'Give a run, a Hugging Face folder, or a .slim file.');
    const { result, lines } = kind === 'file' ? await inspectArtifact(path) : await inspectFolder(path);
    printResult(io, json, result, lines.join('\n'));
  });
}

interface Report {
  readonly result: Readonly<Record<string, unknown>>;
  readonly lines: readonly string[];
}

async function inspectArtifact(path: string): Promise<Report> {
  const { manifest, fileBytes, data, entries } = await openArtifact(path);
  const memoryBytes = memoryLayout(data.length, manifest.plan, entries).bytes;
  const { plan, ...told } = manifest;
  const compression = manifest.compression
    ? `${manifest.compression.method}, rank ${manifest.compression.rank}`
    : 'none';
  return {
    result: { kind: 'artifact', bytes: fileBytes, memoryBytes, steps: plan.steps.length, ...told },
    lines: [
      `${path}: ${manifest.task} (${taskOf(manifest.problemType)}), ${manifest.source.architecture} from ${manifest.source.model}`,
      `${formatBytes(fileBytes)}, ${manifest.precision}, ${counted(plan.steps.length, 'step')}, ` +
        `${formatBytes(memoryBytes)} of memory when it runs`,
      `compression: ${compression}`,
      labelLine(manifest.labels),
      ...costLines(manifest.costs),
      ...accuracyLines(manifest.accuracy),
      ...configurationLines(manifest.configuration),
    ],
  };
}

async function inspectFolder(path: string): Promise<Report> {
  const record = await readRunRecord(path);
  if (record) {
    const costs = record.costs ? costLines(record.costs) : [];
    return {
      result: { ...record },
      lines: [
        `${path}: ${record.kind} run, ${record.status}, ` +
          `${record.steps.done} of ${counted(record.steps.total, 'step')}, began with ${record.source}`,
        ...costs,
        ...accuracyLines(record.accuracy),
        ...configurationLines(record.configuration),
      ],
    };
  }
  const { architecture, config } = await loadDescription(path);
  const cost = denseCost(architecture.create(config));
  return {
    result: { kind: 'checkpoint', architecture: architecture.modelType, config, cost },
    lines: [
      `${path}: ${architecture.modelType} checkpoint, ${taskOf(config.problemType)}`,
      labelLine(config.labels),
      ...costLines({ teacher: null, model: cost }),
    ],
  };
}

function labelLine(labels: readonly string[]): string {
  return `${counted(labels.length, 'label')}: ${labels.slice(0, 8).join(', ')}${labels.length > 8 ? ' ...' : ''}`;
}

function costLines({ teacher, model }: Manifest['costs']): string[] {
  const row = (name: string, cost: Cost): string[] => [
    name,
    grouped(cost.blocks.parameters),
    formatMacs(cost.blocks.macs),
    grouped(cost.whole.parameters),
    formatMacs(cost.whole.macs),
  ];
  const header = ['', 'block parameters', 'block MACs', 'parameters', 'MACs'];
  return ['', table([header, ...(teacher ? [row('teacher', teacher)] : []), row('model', model)])];
}

function accuracyLines(accuracy: readonly StageAccuracy[]): string[] {
  if (accuracy.length === 0) return [];
  return [
    '',
    table([
      [metricName(accuracy[0]), '', 'samples'],
      ...accuracy.map((score) => [score.stage, scoreValue(score), String(score.samples)]),
    ]),
  ];
}

function configurationLines(configuration: Readonly<Record<string, unknown>>): string[] {
  if (Object.keys(configuration).length === 0) return [];
  return [
    '',
    'configuration:',
    ...Object.entries(configuration).map(([key, value]) => `  ${key}: ${JSON.stringify(value)}`),
  ];
}
