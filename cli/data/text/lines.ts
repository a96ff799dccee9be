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
  let parts: Buffer[] = [];
  let length = 0;
  let number = 1;
  let seen = 0;
  /** The line that ends there; none where it is empty. */
  const lineOf = (end: number): Line[] => {
    const bytes = length > maxBytes ? null : withoutCr(Buffer.concat(parts));
    return bytes?.length === 0 ? [] : [{ place: `line ${number}`, read: share(end), bytes }];
  };
  const add = (part: Buffer): void => {
    length += part.length;
    // What is too long is only counted.
    if (length <= maxBytes) parts.push(part);
  };
  for await (const chunk of chunks) {
    let begin = 0;
    for (let end = chunk.indexOf(LF); end >= 0; end = chunk.indexOf(LF, begin)) {
      add(chunk.subarray(begin, end));
      yield* lineOf(seen + end + 1);
      [parts, length, begin] = [[], 0, end + 1];
      number++;
    }
    add(chunk.subarray(begin));
    seen += chunk.length;
  }
  yield* lineOf(seen);
}

function withoutCr(bytes: Uint8Array): Uint8Array {
  return bytes.at(-1) === CR ? bytes.subarray(0, -1) : bytes;
}
