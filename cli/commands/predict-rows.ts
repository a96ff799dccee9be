/** `slim predict` of rows: its flags, what it tells while it works, and its result. */
import { availableParallelism } from 'node:os';
import { extname } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Artifact } from '../../runtime/artifact/artifact.ts';
import type { NodeClassifier } from '../../runtime/hosts/node-classifier.ts';
import { modelInfo } from '../../runtime/http/inference.ts';
import { integer } from '../args.ts';
import { openArtifact } from '../io/artifact.ts';
import { startClassifier } from '../io/classifier.ts';
import { Interrupted, UserError, usageError } from '../io/errors.ts';
import { digestOfFile, makeFolderOf } from '../io/files.ts';
import { type Io, throwIfInterrupted } from '../io/io.ts';
import { takeLock } from '../io/lock.ts';
import { printable } from '../io/printable.ts';
import { createProgress, type Progress } from '../io/progress.ts';
import { grouped } from '../io/units.ts';
import { taskOf } from '../models/task.ts';
import { expectSameRows, mostInFlight, runBatch } from '../predict/batch.ts';
import { csvLines, FORMATS, type Format, jsonLines } from '../predict/formats.ts';
import { openInputs } from '../predict/inputs.ts';
import { expectKept } from '../predict/not-inputs.ts';
import { askedLabels, type OutcomeColumns, outcomeColumns } from '../predict/outcome.ts';
import {
  type Complete,
  type OpenOptions,
  openFile,
  openStdout,
  type Progressed,
  type RowOutput,
} from '../predict/output.ts';
import type { Asked } from '../predict/record.ts';
import type { InputRow, RowSource } from '../predict/row.ts';
import { linesOf, lockOf } from '../predict/run-files.ts';
import { type RowRange, rangeOf, type Shard } from '../predict/shard.ts';
import { printResult } from './result.ts';

/** The flags of rows; one that is given makes rows of a single file, too. */
export interface RowFlags {
  readonly topK?: number;
  readonly output?: string;
  readonly format?: Format;
  readonly columns?: readonly string[];
  readonly textColumn?: string;
  readonly textPairColumn?: string;
  readonly imageColumn?: string;
  readonly shard?: Shard;
  readonly workers?: number;
  readonly resume: boolean;
  readonly overwrite: boolean;
  readonly json: boolean;
}

/** Adds the flags of rows. Returns the command it was given. */
export function addRowOptions(command: Command): Command {
  return command
    .optionsGroup('Rows:')
    .option('--output <file>', 'write to a .csv, .jsonl or .parquet file (default: stdout)')
    .addOption(
      new Option('--format <name>', 'of the output')
        .choices(FORMATS)
        .default(undefined, 'as its name ends; csv on stdout'),
    )
    .option('--text-column <name>', 'column that holds the text (default: guessed)')
    .option('--text-pair-column <name>', 'column that holds its second half, such as a hypothesis (default: guessed)')
    .option('--image-column <name>', 'of pictures: column that holds their files, or the pictures (default: guessed)')
    .addOption(
      new Option('--columns <names>', "the input's columns to keep, with commas between")
        .argParser(columnNames)
        .default(undefined, 'all'),
    )
    .addOption(
      new Option('--workers <n>', 'threads that classify, each with the weights; 0: the main one alone')
        .argParser(integer(0, 256))
        .default(undefined, 'processors'),
    )
    .addOption(
      new Option(
        '--shard <i/n>',
        'the i-th (from 1 on) of n parts, for jobs that share the rows; the outputs of all, ' +
          'one after another (cat), are that of one run',
      ).argParser(shard),
    )
    .addOption(new Option('--resume', 'go on where the run of --output stopped; begin where there is none'))
    .addOption(new Option('--overwrite', 'replace the output that is there').conflicts('resume'));
}

function columnNames(text: string): readonly string[] {
  const names = text.split(',').map((name) => name.trim());
  if (names.includes('')) throw new InvalidArgumentError('Expected names of columns, such as id,title.');
  return [...new Set(names)];
}

function shard(text: string): Shard {
  const [, index, of] = /^(\d{1,9})\/(\d{1,9})$/.exec(text)?.map(Number) ?? [];
  if (index === undefined || index < 1 || index > of)
    throw new InvalidArgumentError('Expected i/n with i from 1 to n, such as 2/8.');
  return { index, of };
}

/** The flag that asks for rows; null where none does. */
export function rowFlagOf(flags: RowFlags): string | null {
  const given = (
    [
      'output',
      'format',
      'columns',
      'textColumn',
      'textPairColumn',
      'imageColumn',
      'shard',
      'workers',
      'resume',
      'overwrite',
    ] as const
  ).find((name) => flags[name] !== undefined && flags[name] !== false);
  return given === undefined ? null : `--${given.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** Classifies the rows of the inputs. UserError at the end where some have errors. */
export async function predictRows(path: string, inputs: readonly string[], flags: RowFlags, io: Io): Promise<void> {
  const { output } = flags;
  const format = formatOf(flags);
  if (flags.shard !== undefined && inputs.includes('-'))
    throw usageError('--shard counts the rows first, and stdin can be read once', 'Write them to a file.');
  const artifact = await openArtifact(path);
  await (await expectKept(output))(path);
  const info = modelInfo(artifact);
  if (flags.topK !== undefined && info.problemType !== 'single_label_classification')
    throw usageError(
      `--top-k ranks classes, and the model is for ${taskOf(info.problemType)}: each label has a column of its own`,
      'Leave out --top-k.',
    );
  const { source, notices } = await openInputs(inputs, info.task, flags);
  for (const notice of notices) io.stderr.write(`${printable(notice)}\n`);
  const topK = askedLabels(info, flags.topK ?? 1);
  const outcomes = outcomeColumns(info, topK, source.columns);
  const job: Job = { path, artifact, source, lines: lineFormat(format, source, outcomes), topK };
  // Of parts that follow one another only the first has the header.
  const header = (flags.shard?.index ?? 1) === 1 ? job.lines.header : '';
  if (output === undefined) return answer(job, openStdout(io, header, flags.json), flags, io);
  const asked = askedOf(await digestOfFile(path), source, flags, format, topK);
  const options = fileOptions(output, format, flags, header, source, outcomes);
  await whileLocked(output, async () => answer(job, await openFile(output, asked, options), flags, io));
}

/** What is to be done, wherever it goes. */
interface Job {
  /** The artifact's. */
  readonly path: string;
  readonly artifact: Artifact;
  readonly source: RowSource;
  readonly lines: Lines;
  readonly topK: number;
}

/** Does nothing else to an output while another process does. UserError where one does already. */
async function whileLocked(output: string, job: () => Promise<void>): Promise<void> {
  await makeFolderOf(output);
  const lock = await lockOf(output);
  const release = await takeLock(
    lock,
    (holder) =>
      new UserError(
        `${output} is being written by ${holder}`,
        `Wait until it has ended, or name another --output. Where that is no slim, remove ${lock}.`,
      ),
  );
  try {
    await job();
  } finally {
    await release();
  }
}

async function answer(job: Job, target: RowOutput | Complete, flags: RowFlags, io: Io): Promise<void> {
  const { source, lines, topK } = job;
  const { output, workers = availableParallelism() } = flags;
  const { signal } = io;
  if ('complete' in target) {
    await expectSameRows({ source, range: await rangeFor(job, flags, io), signal }, target.complete);
    return report(io, flags, { ...target.complete, seconds: null });
  }
  const progress = createProgress(io.stderr, 'predict');
  const began = performance.now();
  try {
    const { range, classifier } = await prepared(job, flags, workers, io).catch(async (error: unknown) => {
      // The first failure is what to tell of.
      if (output !== undefined) await target.close(target.begun, false).catch(() => undefined);
      throw error;
    });
    try {
      const done = await runBatch({
        source,
        range,
        classifier,
        topK,
        most: mostInFlight(workers),
        lineOf: lines.lineOf,
        output: target,
        onRow: progressOf(progress, range),
        signal,
      });
      progress.end();
      for (const notice of lines.notices()) io.stderr.write(`${printable(notice)}\n`);
      if (signal.aborted) throw stopped(done, output);
      report(io, flags, { ...done, seconds: (performance.now() - began) / 1000, begun: target.begun.rows });
    } finally {
      await classifier.close();
    }
  } finally {
    progress.end();
  }
}

/** What takes a while before the first row is answered. */
async function prepared(
  job: Job,
  flags: RowFlags,
  workers: number,
  io: Io,
): Promise<{ readonly range: RowRange | undefined; readonly classifier: NodeClassifier }> {
  const range = await rangeFor(job, flags, io);
  return { range, classifier: await startClassifier(job.path, job.artifact, workers) };
}

async function rangeFor({ source }: Job, { shard: part }: RowFlags, io: Io): Promise<RowRange | undefined> {
  return part && counted(source, part, io);
}

function formatOf({ output, format, resume, overwrite, json }: RowFlags): Format {
  if (output === undefined) {
    const needs = resume ? '--resume' : overwrite ? '--overwrite' : format === 'parquet' ? '--format parquet' : null;
    if (needs !== null) throw usageError(`${needs} needs a file`, 'Name it: --output FILE.');
    if (json && format === 'csv')
      throw usageError('--json prints JSON, and --format csv is given', 'Give one of them.');
    return json ? 'jsonl' : (format ?? 'csv');
  }
  if (output === '') throw usageError('--output is empty: expected a file');
  const ending = extname(output).slice(1).toLowerCase();
  const known = FORMATS.find((name) => name === (ending === 'ndjson' ? 'jsonl' : ending));
  if (format === undefined && known === undefined)
    throw usageError(
      `--output ${output}: expected a name that ends with .csv, .jsonl or .parquet`,
      'Or say what it is: --format jsonl.',
    );
  return format ?? (known as Format);
}

interface Lines {
  readonly header: string;
  lineOf(cells: InputRow['cells'], outcome: Parameters<OutcomeColumns['cells']>[0]): string;
  /** What there is to say of all lines. */
  notices(): readonly string[];
}

/** Lines of rows and their answers. Of JSON lines a row may have keys that the first ones lack. */
function lineFormat(format: Format, source: RowSource, outcomes: OutcomeColumns): Lines {
  const columns = [...source.columns, ...outcomes.names];
  const known = new Set(columns);
  const lost = new Set<string>();
  const { header, line } = format === 'csv' ? csvLines(columns) : jsonLines;
  return {
    header,
    lineOf(cells, outcome) {
      for (const name of Object.keys(cells)) {
        if (outcomes.names.includes(name))
          throw new UserError(
            `the input has a column ${name} in later rows, and so have the answers`,
            'Say which to keep: --columns NAME,NAME.',
          );
        if (!known.has(name) && lost.size < 20) lost.add(name);
      }
      return line({ ...cells, ...outcomes.cells(outcome) });
    },
    notices: () =>
      lost.size === 0 || format === 'jsonl'
        ? []
        : [`left out, as the first rows lack them: the columns ${[...lost].join(', ')}; --format jsonl keeps them`],
  };
}

function fileOptions(
  output: string,
  format: Format,
  { resume, overwrite }: RowFlags,
  header: string,
  source: RowSource,
  outcomes: OutcomeColumns,
): OpenOptions {
  if (format !== 'parquet') return { resume, overwrite, header, lines: output };
  const lines = linesOf(output);
  return {
    resume,
    overwrite,
    header: '',
    lines,
    async make() {
      const { writeParquet } = await import('../predict/parquet-output.ts');
      await writeParquet(output, lines, [...source.columns, ...outcomes.names], outcomes.types);
    },
  };
}

function askedOf(
  artifact: string,
  { inputs, reads }: RowSource,
  { shard, columns }: RowFlags,
  format: Format,
  topK: number,
): Asked {
  return {
    artifact,
    format,
    topK,
    shard: shard === undefined ? null : `${shard.index}/${shard.of}`,
    columns: columns ?? null,
    ...reads,
    inputs,
  };
}

async function counted(source: RowSource, part: Shard, { stderr, signal }: Io): Promise<RowRange> {
  const progress = createProgress(stderr, 'count');
  try {
    return await rangeOf(source, part, (count) => {
      throwIfInterrupted(signal);
      if (count % 1000 === 0) progress.update(count, null, 'rows');
    });
  } finally {
    progress.end();
  }
}

/** Most inputs are done before a progress would be of use. */
const QUIET_MS = 2000;
const SAY_MS = 100;

/** How far it is: of a part's rows, else of the input, where it is known how large that is. */
function progressOf(progress: Progress, range: RowRange | undefined): Parameters<typeof runBatch>[0]['onRow'] {
  let next = performance.now() + QUIET_MS;
  return ({ read }, { rows, errors }) => {
    // Saying it costs more than reading a row.
    if (performance.now() < next) return;
    next = performance.now() + SAY_MS;
    const detail = errors === 0 ? '' : `, ${grouped(errors)} with errors`;
    if (range !== undefined) progress.update(rows, range.end - range.begin, `rows${detail}`);
    else if (read === null) progress.update(rows, null, `rows${detail}`);
    else progress.update(Math.floor(1000 * read) / 10, 100, `% read  ${grouped(rows)} rows${detail}`);
  };
}

function stopped({ rows }: Progressed, output: string | undefined): Interrupted {
  return new Interrupted(
    output === undefined
      ? `interrupted after ${grouped(rows)} rows`
      : `interrupted: ${grouped(rows)} rows are done. Go on with the same line and --resume.`,
  );
}

interface Told extends Omit<Progressed, 'digest'> {
  /** Null where there was nothing to do. */
  readonly seconds: number | null;
  readonly begun?: number;
}

/** Tells the result where it is not the rows themselves; UserError where some have errors. */
function report(io: Io, { output, json }: RowFlags, { rows, errors, truncated, seconds, begun = 0 }: Told): void {
  const perSecond = seconds === null ? null : (rows - begun) / seconds;
  const facts = [
    ...(errors > 0 ? [`${grouped(errors)} with errors`] : []),
    ...(truncated > 0
      ? [`${grouped(truncated)} longer than the model takes: only their beginning was classified`]
      : []),
    ...(perSecond === null ? ['all of them were there already'] : [`${perSecond.toFixed(1)} rows a second`]),
  ];
  if (output !== undefined)
    printResult(
      io,
      json,
      { output, rows, errors, truncated, seconds, rowsPerSecond: perSecond },
      `${grouped(rows)} rows in ${output}; ${facts.join('; ')}`,
    );
  else if (truncated > 0) io.stderr.write(`${facts.filter((fact) => fact.includes('beginning')).join()}\n`);
  if (errors > 0)
    throw new UserError(
      `${grouped(errors)} of ${grouped(rows)} rows could not be classified`,
      'The column error of each says why.',
    );
}
