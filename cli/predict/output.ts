/** Where rows go: a file that `--resume` can go on with, or stdout. */
import { type FileHandle, open, rm, stat } from 'node:fs/promises';
import { UserError } from '../io/errors.ts';
import { errorCode, otherThanFile, writeError } from '../io/files.ts';
import type { Io } from '../io/io.ts';
import { type Asked, expectSameAsked, loadRecord, type State, saveRecord } from './record.ts';
import { recordOf } from './run-files.ts';

/** How far a run is, but for the bytes, which its output counts. */
export type Progressed = Omit<State, 'bytes' | 'isDone'>;

/** Takes whole lines, in order. */
export interface RowOutput {
  /** What it holds already: `--resume`. */
  readonly begun: Progressed;
  /** `stateOf` tells how far the run is with this line. */
  append(line: string, stateOf: () => Progressed): Promise<void>;
  /** Everything that was appended is out when it resolves; `isDone` says that nothing will follow. To be called once. */
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

/** An output that is complete already, as its record says: whether of the same rows remains to be seen. */
export interface Complete {
  readonly complete: Progressed;
}

/**
 * Opens the file for a new run, or for the rest of one that stopped. UserErrors say that there is a file already, that
 * it was asked something else, or that it is no run's.
 */
export async function openFile(path: string, asked: Asked, options: OpenOptions): Promise<RowOutput | Complete> {
  const { resume, overwrite, header, lines } = options;
  const isThere = [await sizeOf(path), await sizeOf(lines)].some((size) => size !== null);
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
    if (!isDone) return goOn(path, asked, options, begun, bytes);
    await expectSize(path, (size) => size === bytes, bytes);
    return { complete: begun };
  }
  // The record first: a file whose rows nobody counted could not be gone on with.
  await saveRecord(path, { asked, state: { ...NOTHING, bytes: 0, isDone: false } });
  const file = await opened(lines, 'w');
  // What is made of the lines at the end is of another run until then.
  if (lines !== path) await rm(path, { force: true });
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
  if (bytes > 0) await expectSize(lines, (size) => size >= bytes, bytes);
  const file = await opened(lines, (await sizeOf(lines)) === null ? 'w' : 'r+');
  // What was written after the last record is done again.
  await file.truncate(bytes);
  const output = new FileOutput(path, asked, options, file, begun, bytes);
  if (bytes === 0) await output.append(header, () => begun);
  return output;
}

/** Bytes of a file; null where there is none. UserError where there is something else. */
async function sizeOf(path: string): Promise<number | null> {
  try {
    const found = await stat(path);
    const other = otherThanFile(found);
    if (other === null) return found.size;
    throw new UserError(
      `${path} is ${other}, expected a file`,
      other === 'a folder' ? 'Name a file in it: --output DIR/out.csv.' : 'Without --output rows go to stdout.',
    );
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error instanceof UserError ? error : writeError(path, error);
  }
}

async function expectSize(path: string, isRight: (size: number) => boolean, bytes: number): Promise<void> {
  const size = await sizeOf(path);
  if (size === null || !isRight(size))
    throw new UserError(
      `${path} ${size === null ? 'is gone' : `has ${size} bytes`}, and its record counts ${bytes}`,
      'Something else has changed it: begin anew with --overwrite.',
    );
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
    await this.record(stateOf());
  }

  async close(state: Progressed, isDone: boolean): Promise<void> {
    try {
      await this.write();
      const { make } = this.options;
      if (!isDone || make !== undefined) await this.record(state);
      if (!isDone) return;
      await this.expectOwn();
      await make?.();
      const bytes = make === undefined ? this.bytes : ((await sizeOf(this.path)) ?? 0);
      await saveRecord(this.path, { asked: this.asked, state: { ...state, bytes, isDone: true } });
    } finally {
      await this.file.close();
    }
    if (this.options.make !== undefined) await rm(this.options.lines, { force: true });
  }

  /** Lines stay pending until they are on the disk: nothing is ever counted that is not. */
  private async write(): Promise<void> {
    const chunk = Buffer.from(this.pending);
    try {
      for (let done = 0; done < chunk.length; )
        done += (await this.file.write(chunk, done, chunk.length - done, this.bytes + done)).bytesWritten;
      await this.file.datasync();
    } catch (error) {
      // Whole rows only; --resume does the same where this fails, too.
      await this.file.truncate(this.bytes).catch(() => undefined);
      throw writeError(this.options.lines, error);
    }
    this.bytes += chunk.length;
    this.pending = '';
    this.written = performance.now();
  }

  /** UserError where another has written to the file, or put another in its place. */
  private async expectOwn(): Promise<void> {
    const { lines } = this.options;
    const [ours, there] = [await this.file.stat(), await stat(lines).catch(() => null)];
    if (there?.ino === ours.ino && there.dev === ours.dev && ours.size === this.bytes) return;
    throw new UserError(
      `${lines} is not what was written: ${there === null ? 'it is gone' : `it has ${there.size} bytes`}, ` +
        `expected ${this.bytes}`,
      'Something else writes to it: begin anew with --overwrite.',
    );
  }

  private record(state: Progressed): Promise<void> {
    return saveRecord(this.path, { asked: this.asked, state: { ...state, bytes: this.bytes, isDone: false } });
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
