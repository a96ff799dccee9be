import { type Command, Option } from 'commander';
import type { Score } from '../../runtime/artifact/problem-type.ts';
import {
  addBaseOption,
  addCacheOption,
  addDataOptions,
  addEngineOptions,
  addLabelsOption,
  addResultOptions,
  createCommand,
  integer,
  required,
  resolveFlags,
} from '../args.ts';
import { usageError } from '../io/errors.ts';
import { kindOf, writeFileAtomic } from '../io/files.ts';
import type { Io } from '../io/io.ts';
import { formatBytes } from '../io/units.ts';
import { type Report, reportPage } from '../report/page.ts';
import { stagesOf } from '../report/stages.ts';
import { readSubject } from '../report/subject.ts';
import type { Metrics } from '../train/metrics/metrics.ts';
import { attentionOf } from './report-attention.ts';
import { commandsOf } from './report-commands.ts';
import { judgeSubjects, type QualityFlags } from './report-quality.ts';
import { printResult } from './result.ts';

/** What a report is made of, beside what it is about. */
export interface ReportOptions extends QualityFlags {
  /** How many errors, and how many pictures or texts to look at. */
  readonly samples: number;
}

/** What `runReport` takes; `out` is a file, NAME.html. */
export interface ReportFlags extends ReportOptions {
  readonly out?: string;
  readonly overwrite: boolean;
  readonly json: boolean;
}

/** The file that was written. */
export interface ReportResult {
  readonly file: string;
  readonly bytes: number;
}

/** As many as there are colours that are told apart. */
const MOST_SUBJECTS = 8;
/** With more the page grows beyond what can be mailed. */
const MOST_SAMPLES = 16;

/** `slim report`, which `runReport` is. */
export function reportCommand(io: Io): Command {
  const command = createCommand(
    'report',
    'a page about one or several runs: curves, costs, errors',
    `Writes one HTML file that tells of a run, and compares several: teacher, student and quantized model side by side, the
curves of training, ranks and costs by layer, and the commands that made it. With --data, or the data that the runs
remember, also what slim evaluate says of each, what it is most wrong about, and where teacher and student look. The
page loads nothing and runs no script: it can be mailed, printed and opened anywhere.`,
    [
      'slim report runs/small --out report.html',
      'slim report runs/r16 runs/r32 small.slim --data pets/ --out report.html',
      'slim report runs/small --no-data --out report.html',
    ],
  )
    .argument('<models...>', 'runs, Hugging Face folders, or .slim files')
    .option('--out <file>', 'the page, NAME.html')
    .option('--overwrite', 'replace an existing file')
    .addOption(
      new Option('--samples <n>', 'how many errors of each model, and how many pictures or texts to look at')
        .argParser(integer(0, MOST_SAMPLES))
        .default(8),
    );
  addLabelsOption(addCacheOption(addDataOptions(command, { inherited: true })));
  command.option('--no-data', 'judge nothing: the page says what the runs recorded');
  addResultOptions(addEngineOptions(addBaseOption(command)));
  return command.action(async (paths: string[]) => {
    const flags = await resolveFlags<ReportFlags>(command);
    const result = await runReport(paths, flags, io);
    printResult(io, flags.json, { ...result }, `report: ${result.file}, ${formatBytes(result.bytes)}`);
  });
}

/** `slim report` */
export async function runReport(paths: readonly string[], flags: ReportFlags, io: Io): Promise<ReportResult> {
  const file = required(flags.out, '--out');
  await expectPage(file, flags);
  if (paths.length > MOST_SUBJECTS)
    throw usageError(`slim report compares at most ${MOST_SUBJECTS}, got ${paths.length}`, 'Give fewer.');
  const page = reportPage(await reportOf(paths, flags, io));
  await writeFileAtomic(file, page);
  return { file, bytes: Buffer.byteLength(page) };
}

async function expectPage(file: string, { overwrite }: Pick<ReportFlags, 'overwrite'>): Promise<void> {
  if (!/\.html?$/i.test(file)) throw usageError(`--out ${file}: expected a name that ends with .html`);
  const existing = await kindOf(file);
  if (existing === 'folder') throw usageError(`--out ${file} is a folder, expected a file`);
  if (existing === 'file' && !overwrite)
    throw usageError(`--out ${file} already exists`, 'Choose another name, or replace it with --overwrite.');
}

/** What can be said of these, with data or without. */
export async function reportOf(paths: readonly string[], flags: ReportOptions, io: Io): Promise<Report> {
  const subjects = await Promise.all(paths.map(readSubject));
  const { qualities, unjudged, data } = await judgeSubjects(subjects, flags, flags.samples, io);
  const measured = new Map(qualities.map(({ path, metrics, samples }) => [path, { ...scoreIn(metrics), samples }]));
  const stages = await stagesOf(subjects, measured);
  const looks = data === null ? [] : await attentionOf(stages, data, flags.samples, flags, io);
  const commands = subjects.map((subject) => commandsOf(subject, io));
  return { subjects, commands, stages, qualities, unjudged, looks };
}

/** The one number of all metrics that a model is judged by. */
function scoreIn(metrics: Metrics): Omit<Score, 'samples'> {
  switch (metrics.problemType) {
    case 'single_label_classification':
      return { accuracy: metrics.accuracy };
    case 'multi_label_classification':
      return { microF1: metrics.microF1 };
    case 'regression':
      return { pearson: metrics.pearson };
    default:
      return metrics satisfies never;
  }
}
