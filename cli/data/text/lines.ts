import { openBytes } from './bytes.ts';
import { MAX_ROW_BYTES, type RowPlace } from './rows.ts';

/** One line without its end; `bytes` is null where it is longer than a row may be. */
export interface Line extends RowPlace {
  readonly bytes: Uint8Array | null;
}

const LF = 0x0a;
const CR = 0x0d;

/**
 * The lines of a file, which may be .gz, read piece by piece. Empty ones are left out, but counted. UserError where the
 * file is empty or can't be read.
 */
export async function* readLines(path: string, maxBytes = MAX_ROW_BYTES): AsyncGenerator<Line> {
  const { chunks, share } = await openBytes(path);
  for await (const { number, end, bytes } of splitLines(chunks, maxBytes))
    if (bytes?.length !== 0) yield { place: `line ${number}`, read: share(end), bytes };
}

/** One line of bytes without its end, null where it is too long; `end` counts all bytes up to there. */
export interface SplitLine {
  /** From 1 on. */
  readonly number: number;
  readonly end: number;
  readonly bytes: Uint8Array | null;
}

/** The lines of bytes that come in pieces, empty ones, too; what follows the last line end is one if it is not empty. */
export async function* splitLines(chunks: AsyncIterable<Buffer>, maxBytes = MAX_ROW_BYTES): AsyncGenerator<SplitLine> {
  let parts: Buffer[] = [];
  let length = 0;
  let number = 1;
  let seen = 0;
  const lineOf = (end: number): SplitLine => ({
    number,
    end,
    bytes: length > maxBytes ? null : withoutCr(Buffer.concat(parts)),
  });
  const add = (part: Buffer): void => {
    length += part.length;
    // What is too long is only counted.
    if (length <= maxBytes) parts.push(part);
  };
  for await (const chunk of chunks) {
    let begin = 0;
    for (let end = chunk.indexOf(LF); end >= 0; end = chunk.indexOf(LF, begin)) {
      add(chunk.subarray(begin, end));
      yield lineOf(seen + end + 1);
      [parts, length, begin] = [[], 0, end + 1];
      number++;
    }
    add(chunk.subarray(begin));
    seen += chunk.length;
  }
  if (length > 0) yield lineOf(seen);
}

function withoutCr(bytes: Uint8Array): Uint8Array {
  return bytes.at(-1) === CR ? bytes.subarray(0, -1) : bytes;
}
