/** Texts as token ids on disk, so that each is tokenized once and a data set may be larger than memory. */
import { createHash } from 'node:crypto';
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Encoding } from '../../../runtime/text/tokenizer.ts';
import { messageOf, UserError } from '../../io/errors.ts';
import type { Target } from '../target.ts';
import { countValues, type ValueSummary } from '../value-summary.ts';
import type { TextRow, TextRows } from './dataset.ts';

/** The tokens of one part in a temporary file; text i is the i-th that was written. */
export interface EncodedSplit {
  readonly size: number;
  /** How many texts were cut. */
  readonly truncated: number;
  /** Of several labels, or numbers. */
  readonly values: readonly ValueSummary[];
  /** Of all tokens and labels: two splits with the same digest train alike. */
  readonly digest: string;
  /** Tokens of text i. */
  length(i: number): number;
  /** (T) ids and (T) types of text i, and what is to be said of it. */
  read(i: number): Promise<Pick<Encoding, 'ids' | 'types'> & { readonly label: Target }>;
  /** Gives the disk's space back. */
  close(): Promise<void>;
}

/** An id takes 4 bytes, a type 1: tokenizers know two types, and a text is read in one piece. */
const TOKEN_BYTES = 5;
const WRITE_BYTES = 1024 ** 2;
const NONE = new Float32Array(0);

/** Tokenizes every row once. UserError where the disk for temporary files has no room. */
export async function encodeRows(
  rows: Pick<TextRows, 'size' | 'rows'>,
  encode: (row: TextRow) => Encoding,
  onRow?: (done: number, total: number) => void,
): Promise<EncodedSplit> {
  const { size } = rows;
  const labels = new Int32Array(size);
  /** How many values a row's target has, which lie behind its tokens; 0 where it is a class. */
  let width = 0;
  /** Text i's tokens lie from starts[i] to starts[i + 1]. */
  const starts = new Float64Array(size + 1);
  const file = await openTemporary();
  const hash = createHash('sha256');
  const count = countValues();
  let truncated = 0;
  try {
    const writer = bufferedWriter(file);
    let row = 0;
    for await (const given of rows.rows()) {
      const { ids, types, truncated: cut } = encode(given);
      if (typeof given.label === 'number') labels[row] = given.label;
      else width = given.label.length;
      count.add(given.label);
      starts[row + 1] = starts[row] + ids.length;
      if (cut > 0) truncated++;
      const values = typeof given.label === 'number' ? NONE : given.label;
      hash.update(Int32Array.of(labels[row], ids.length)).update(ids).update(Uint8Array.from(types)).update(values);
      await writer.write(ids, types, values);
      row++;
      onRow?.(row, size);
    }
    await writer.flush();
  } catch (error) {
    await file.close();
    throw error;
  }
  const length = (i: number): number => starts[i + 1] - starts[i];
  return {
    size,
    truncated,
    values: count.summary(),
    digest: hash.digest('hex'),
    length,
    async read(i) {
      const tokens = length(i);
      const bytes = new Uint8Array(tokens * TOKEN_BYTES + 4 * width);
      const { bytesRead } = await file.read(bytes, 0, bytes.length, starts[i] * TOKEN_BYTES + 4 * width * i);
      if (bytesRead !== bytes.length)
        throw new Error(`the tokens of text ${i} are gone: expected ${bytes.length} bytes, got ${bytesRead}`);
      const end = tokens * TOKEN_BYTES;
      return {
        ids: new Int32Array(bytes.buffer, 0, tokens),
        types: Int32Array.from(bytes.subarray(4 * tokens, end)),
        label: width === 0 ? labels[i] : new Float32Array(bytes.slice(end).buffer),
      };
    },
    close: () => file.close(),
  };
}

/** A file without a name: however the process ends, nothing of it is left. */
async function openTemporary(): Promise<FileHandle> {
  try {
    const folder = await mkdtemp(join(tmpdir(), 'slim-tokens-'));
    try {
      return await open(join(folder, 'tokens'), 'wx+', 0o600);
    } finally {
      await rm(folder, { recursive: true });
    }
  } catch (error) {
    throw diskError(error);
  }
}

/** Gathers small texts, so that the disk is asked seldom. */
function bufferedWriter(file: FileHandle): {
  write(ids: Int32Array, types: Int32Array, values: Float32Array): Promise<void>;
  flush(): Promise<void>;
} {
  let pending: Uint8Array[] = [];
  let bytes = 0;
  const flush = async (): Promise<void> => {
    await file.appendFile(Buffer.concat(pending)).catch((error: unknown) => {
      throw diskError(error);
    });
    [pending, bytes] = [[], 0];
  };
  return {
    async write(ids, types, values) {
      pending.push(new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength), Uint8Array.from(types));
      pending.push(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
      bytes += ids.length * TOKEN_BYTES + values.byteLength;
      if (bytes >= WRITE_BYTES) await flush();
    },
    flush,
  };
}

function diskError(error: unknown): UserError {
  return new UserError(
    `can't keep tokens in ${tmpdir()}: ${messageOf(error)}`,
    'Make room there, or name another folder for temporary files in TMPDIR.',
  );
}
