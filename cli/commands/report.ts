import { join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { type Score, scoreOf } from '../../runtime/artifact/problem-type.ts';
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
import { UserError, usageError } from '../io/errors.ts';
import { exists, kindOf, writeFileAtomic } from '../io/files.ts';
import type { Io } from '../io/io.ts';
import { createProgress } from '../io/progress.ts';
import { formatBytes } from '../io/units.ts';
import type { Html } from '../report/html.ts';
import type { PageOptions, Report } from '../report/page.ts';
import { sideOf } from '../report/pictures.ts';
import { stagesOf } from '../report/stages.ts';
import { readSubject, withLogs } from '../report/subject.ts';
import { readSweep } from '../report/sweep.ts';
import { SWEEP_FILES } from '../sweep/plan.ts';
import { RUN_FILES } from '../train/run-directory.ts';
import { attentionOf, MOST_MODELS } from './report-attention.ts';
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
  readonly watch: boolean;
  readonly port: number;
  readonly overwrite: boolean;
  readonly json: boolean;
}

/** The file that was written. */
export interface ReportResult {
  readonly file: string;
  readonly bytes: number;
}

/** Loaded where a page is made: it brings d3 and hono along. */
const loadPage = (): Promise<typeof import('../report/page.ts')> => import('../report/page.ts');

/** As many as there are colours that are told apart. */
const MOST_SUBJECTS = 8;
/** With more the page grows beyond what can be mailed. */
const MOST_SAMPLES = 16;
const DEFAULT_SAMPLES = 8;

/** `slim report`, which `runReport` is. */
export function reportCommand(io: Io): Command {
  const command = createCommand(
    'report',
    'a page about one or several runs: curves, costs, errors',
    `Writes one HTML file that tells of a run, and compares several: teacher, student and quantized model side by side, the
curves of training, ranks and costs by layer, and the commands that made it. With --data, or the data that the runs
remember, also what slim evaluate says of each, what it is most wrong about, and where teacher and student look. The
page loads nothing and runs no script: it can be mailed, printed and opened anywhere. Of a folder with rows.jsonl (name,
rank, method, seed, accuracy, parameters, macs, bytes, latencyMs) it shows accuracy against each cost.`,
    [
      'slim report runs/small --out report.html',
      'slim report runs/r16 runs/r32 small.slim --data pets/ --out report.html',
      'slim report runs/small --no-data --out report.html',
      'slim report runs/small --watch',
    ],
  )
    .argument('<models...>', 'runs, Hugging Face folders, or .slim files')
    .option('--out <file>', 'the page, NAME.html')
    .option('--overwrite', 'replace an existing file')
    .addOption(
      new Option('--samples <n>', 'how many errors of each model, and how many pictures or texts to look at')
        .argParser(integer(0, MOST_SAMPLES))
        .default(DEFAULT_SAMPLES),
    );
  command
    .addOption(
      new Option('--watch', 'serve the page on this machine alone, made anew whenever a run logs something').conflicts(
        'out',
      ),
    )
    .addOption(new Option('--port <n>', 'of --watch; 0 takes a free one').argParser(integer(0, 65535)).default(8080));
  addLabelsOption(addCacheOption(addDataOptions(command, { inherited: true })));
  command.option('--no-data', 'judge nothing: the page says what the runs recorded');
  addResultOptions(addEngineOptions(addBaseOption(command)));
  return command.action(async (given: string[]) => {
    const flags = await resolveFlags<ReportFlags>(command);
    const paths = distinct(given);
    expectFew(paths);
    if (flags.watch) return watchReport(paths, flags, command.parent!, io);
    const result = await runReport(paths, flags, command.parent!, io);
    printResult(io, flags.json, { ...result }, `report: ${result.file}, ${formatBytes(result.bytes)}`);
  });
}

/** What is given twice counts once. */
function distinct(paths: readonly string[]): string[] {
  return paths.filter((path, i) => paths.findIndex((other) => resolve(other) === resolve(path)) === i);
}

function expectFew(paths: readonly string[]): void {
  if (paths.length > MOST_SUBJECTS)
    throw usageError(`slim report compares at most ${MOST_SUBJECTS}, got ${paths.length}`, 'Give fewer.');
}

/** `slim report` but for --watch. `program` is the command line. */
export async function runReport(
  paths: readonly string[],
  flags: ReportFlags,
  program: Command,
  io: Io,
): Promise<ReportResult> {
  const file = required(flags.out, '--out');
  await expectPage(file, flags);
  const page = await pageOf(paths, flags, program, io);
  await writeFileAtomic(file, page);
  return { file, bytes: Buffer.byteLength(page) };
}

/** Serves the page until it is interrupted. */
async function watchReport(paths: readonly string[], flags: ReportFlags, program: Command, io: Io): Promise<void> {
  for (const path of paths)
    if ((await kindOf(path)) === 'absent')
      throw new UserError(`${path} does not exist`, 'Start the training first: --watch shows runs that have begun.');
  const { serveReport } = await import('./report-watch.ts');
  const make = (head: Html): Promise<string> => pageOf(paths, flags, program, io, { head });
  const server = await serveReport(paths, flags.port, make, io);
  io.stdout.write(flags.json ? `${JSON.stringify({ version: 1, url: server.url })}\n` : `listening on ${server.url}\n`);
  await server.ended;
}

async function pageOf(
  paths: readonly string[],
  flags: ReportFlags,
  program: Command,
  io: Io,
  options: PageOptions = {},
): Promise<string> {
  const sweep = await sweepAmong(paths);
  if (sweep !== null) return (await import('../report/sweep-page.ts')).sweepPage(await readSweep(sweep), options);
  return (await loadPage()).reportPage(await reportOf(paths, flags, program, io), options);
}

/** The folder of a sweep; null where none is given. Usage error where one is given beside other things. */
async function sweepAmong(paths: readonly string[]): Promise<string | null> {
  const sweeps: string[] = [];
  for (const path of paths) if (await exists(join(path, SWEEP_FILES.rows))) sweeps.push(path);
  if (sweeps.length === 0) return null;
  if (paths.length > 1) throw usageError(`${sweeps[0]} is a sweep, which has a page of its own`, 'Give it alone.');
  return sweeps[0];
}

async function expectPage(file: string, { overwrite }: Pick<ReportFlags, 'overwrite'>): Promise<void> {
  if (!/\.html?$/i.test(file)) throw usageError(`--out ${file}: expected a name that ends with .html`);
  const existing = await kindOf(file);
  if (existing === 'folder') throw usageError(`--out ${file} is a folder, expected a file`);
  if (existing === 'file' && !overwrite)
    throw usageError(`--out ${file} already exists`, 'Choose another name, or replace it with --overwrite.');
}

/** The page of a run that has just ended, in its folder. `command` made the run, with these flags. */
export async function reportRun(run: string, flags: QualityFlags, command: Command, io: Io): Promise<void> {
  const file = join(run, RUN_FILES.report);
  const report = await reportOf([run], { ...flags, samples: DEFAULT_SAMPLES }, command.parent!, io);
  await writeFileAtomic(file, (await loadPage()).reportPage(report));
  createProgress(io.stderr, 'report').line(`report: ${file}`);
}

/** What can be said of these, with data or without. `program` is the command line. */
async function reportOf(paths: readonly string[], flags: ReportOptions, program: Command, io: Io): Promise<Report> {
  const subjects = await withLogs(await Promise.all(paths.map(readSubject)));
  const { samples } = flags;
  // Errors of each subject; and each picture that models look at, with two maps a model over it.
  const shown = { samples, side: sideOf(samples * (subjects.length + 1 + 2 * MOST_MODELS)) };
  const { qualities, unjudged, data } = await judgeSubjects(subjects, flags, shown, io);
  const measured = new Map(
    qualities.map(({ path, metrics, samples: judged }) => {
      const { metric, value } = scoreOf(metrics as Partial<Score>);
      return [path, { [metric]: value, samples: judged }];
    }),
  );
  const stages = await stagesOf(subjects, measured);
  const attention = data === null ? { looks: [], unseen: [] } : await attentionOf(stages, data, shown, flags, io);
  const commands = subjects.map((subject) => commandsOf(subject, program));
  return { subjects, commands, stages, qualities, unjudged, ...attention };
}
