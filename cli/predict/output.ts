/** Where rows go: a file that `--resume` can go on with, or stdout. */
import { type FileHandle, open, rm } from 'node:fs/promises';
import { UserError } from '../io/errors.ts';
import { kindOf, writeError } from '../io/files.ts';
import type { Io } from '../io/io.ts';
import { type Asked, expectSameAsked, loadRecord, recordOf, type State, saveRecord } from './record.ts';

/** How far a run is, but for the bytes, which its output counts. */
export type Progressed = Omit<State, 'bytes' | 'isDone'>;

/** Takes whole lines, in order. */
export interface RowOutput {
  /** What it holds already: `--resume`. */
  readonly begun: Progressed;
  /** `stateOf` tells how far the run is with this line. */
  append(line: string, stateOf: () => Progressed): Promise<void>;
  /** Everything that was appended is out when it resolves; `isDone` says that nothing will follow. */
  close(state: Progressed, isDone: boolean): Promise<void>;
}

/** Lines are gathered up to so many characters, so that the disk is asked seldom; and written at least so often. */
const WRITE_CHARACTERS = 1024 ** 2;
const WRITE_MS = 1000;

/** Nothing was done yet. The digest is SHA-256's of nothing. */
export const NOTHING: Progressed = {
  rows: 0,
  errors: 0,
  truncated: 0,
  digest: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
};

/** How an output that may be there already is opened. */
export interface OpenOptions {
  readonly resume: boolean;
  readonly overwrite: boolean;
  /** The first line of a file that is begun. */
  readonly header: string;
  /** Where the lines go: the output itself, or what `make` makes it of when all are there. */
  readonly lines: string;
  readonly make?: () => Promise<void>;
}

/** An output that is complete already, as its record says. */
export interface Complete {
  readonly complete: Progressed;
}

/**
 * Opens the file for a new run, or for the rest of one that stopped. UserErrors say that there is a file already, that
 * it was asked something else, or that it is no run's.
 */
export async function openFile(path: string, asked: Asked, options: OpenOptions): Promise<RowOutput | Complete> {
  const { resume, overwrite, header, lines } = options;
  const kind = await kindOf(path);
  if (kind === 'folder') throw new UserError(`${path} is a folder`, 'Name a file in it: --output DIR/out.csv.');
  const isThere = kind === 'file' || (await kindOf(lines)) === 'file';
  const recorded = resume ? await loadRecord(path) : null;
  if (recorded === null && isThere && !overwrite)
    throw new UserError(
      resume ? `${path} is there, and its record ${recordOf(path)} is not` : `${path} is there already`,
      resume
        ? 'Begin anew: --overwrite.'
        : 'Name another, go on with a run that stopped: --resume, or replace it: --overwrite.',
    );
  if (recorded !== null) {
    expectSameAsked(path, recorded.asked, asked);
    const { isDone, bytes, ...begun } = recorded.state;
    return isDone ? { complete: begun } : goOn(path, asked, options, begun, bytes);
  }
  // The record first: a file whose rows nobody counted could not be gone on with.
  await saveRecord(path, { asked, state: { ...NOTHING, bytes: 0, isDone: false } });
  const file = await opened(lines, 'w');
  const output = new FileOutput(path, asked, options, file, NOTHING, 0);
  await output.append(header, () => NOTHING);
  return output;
}

async function goOn(
  path: string,
  asked: Asked,
  options: OpenOptions,
  begun: Progressed,
  bytes: number,
): Promise<RowOutput> {
  const { lines, header } = options;
  const file = await opened(lines, (await kindOf(lines)) === 'absent' && bytes === 0 ? 'w' : 'r+');
  const { size } = await file.stat();
  if (size < bytes) {
    await file.close();
    throw new UserError(
      `${lines} has ${size} bytes, and its record counts ${bytes}`,
      'Something else has written to it: begin anew with --overwrite.',
    );
  }
  // What was written after the last record is done again.
  await file.truncate(bytes);
  const output = new FileOutput(path, asked, options, file, begun, bytes);
  if (bytes === 0) await output.append(header, () => begun);
  return output;
}

function opened(path: string, flags: string): Promise<FileHandle> {
  return open(path, flags).catch((error: unknown) => {
    throw writeError(path, error);
  });
}

/** A file of lines, and its record: never of more rows than are written. */
class FileOutput implements RowOutput {
  readonly begun: Progressed;
  private readonly path: string;
  private readonly asked: Asked;
  private readonly options: OpenOptions;
  private readonly file: FileHandle;
  private bytes: number;
  private pending = '';
  private written = performance.now();

  constructor(path: string, asked: Asked, options: OpenOptions, file: FileHandle, begun: Progressed, bytes: number) {
    this.begun = begun;
    this.path = path;
    this.asked = asked;
    this.options = options;
    this.file = file;
    this.bytes = bytes;
  }

  async append(line: string, stateOf: () => Progressed): Promise<void> {
    this.pending += line;
    if (this.pending.length < WRITE_CHARACTERS && performance.now() - this.written < WRITE_MS) return;
    await this.write();
    await this.record(stateOf(), false);
  }

  async close(state: Progressed, isDone: boolean): Promise<void> {
    try {
      await this.write();
      if (!isDone) return await this.record(state, false);
      await this.options.make?.();
      await this.record(state, true);
    } finally {
      await this.file.close();
    }
    if (this.options.make !== undefined) await rm(this.options.lines, { force: true });
  }

  private async write(): Promise<void> {
    const chunk = Buffer.from(this.pending);
    this.pending = '';
    this.written = performance.now();
    try {
      for (let done = 0; done < chunk.length; )
        done += (await this.file.write(chunk, done, chunk.length - done, this.bytes + done)).bytesWritten;
      this.bytes += chunk.length;
      await this.file.datasync();
    } catch (error) {
      throw writeError(this.options.lines, error);
    }
  }

  private record(state: Progressed, isDone: boolean): Promise<void> {
    return saveRecord(this.path, { asked: this.asked, state: { ...state, bytes: this.bytes, isDone } });
  }
}

/** Rows to whoever reads them, no faster than that one takes them. With `--json` they are a list within one object. */
export function openStdout({ stdout }: Io, header: string, isOneObject: boolean): RowOutput {
  let pending = isOneObject ? '{"version":1,"results":[' : header;
  let written = performance.now();
  let isFirst = true;
  const write = async (): Promise<void> => {
    const taken = stdout.write(pending);
    [pending, written] = ['', performance.now()];
    if (taken === false && stdout.once !== undefined)
      await new Promise<void>((resolve) => stdout.once?.('drain', resolve));
  };
  return {
    begun: NOTHING,
    async append(line) {
      pending += isOneObject ? `${isFirst ? '' : ','}\n${line.trimEnd()}` : line;
      isFirst = false;
      if (pending.length >= WRITE_CHARACTERS || performance.now() - written >= WRITE_MS) await write();
    },
    async close({ rows, errors, truncated }, isDone) {
      if (isOneObject) pending += `\n],"rows":${rows},"errors":${errors},"truncated":${truncated},"done":${isDone}}\n`;
      await write();
    },
  };
}
