import type { Command } from 'commander';
import { addResultOptions, createCommand, required, resolveFlags } from '../args.ts';
import { usageError } from '../io/errors.ts';
import { kindOf, writeFileAtomic } from '../io/files.ts';
import type { Io } from '../io/io.ts';
import { formatBytes } from '../io/units.ts';
import { reportPage } from '../report/page.ts';
import { stagesOf } from '../report/stages.ts';
import { readSubject } from '../report/subject.ts';
import { commandsOf } from './report-commands.ts';
import { printResult } from './result.ts';

/** What `runReport` takes; `out` is a file, NAME.html. */
export interface ReportFlags {
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

/** `slim report`, which `runReport` is. */
export function reportCommand(io: Io): Command {
  const command = createCommand(
    'report',
    'a page about one or several runs: curves, costs, errors',
    `Writes one HTML file that tells of a run, and compares several: teacher, student and quantized model side by side, the
curves of training, ranks and costs by layer, and the commands that made it. It loads nothing and runs no script: it
can be mailed, printed and opened anywhere.`,
    ['slim report runs/small --out report.html', 'slim report runs/r16 runs/r32 small.slim --out report.html'],
  )
    .argument('<models...>', 'runs, Hugging Face folders, or .slim files')
    .option('--out <file>', 'the page, NAME.html')
    .option('--overwrite', 'replace an existing file');
  addResultOptions(command);
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
  const page = await pageOf(paths, io);
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

async function pageOf(paths: readonly string[], io: Io): Promise<string> {
  const subjects = await Promise.all(paths.map(readSubject));
  const stages = await stagesOf(subjects);
  return reportPage({ subjects, commands: subjects.map((subject) => commandsOf(subject, io)), stages });
}
