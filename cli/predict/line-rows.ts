/** Lines on stdin as rows: one text a line. */
import { expectNarrow } from '../data/text/bytes.ts';
import { splitLines } from '../data/text/lines.ts';
import { decodeUtf8, TOO_LONG } from '../data/text/rows.ts';
import { UserError } from '../io/errors.ts';
import { HOLDS_NUL } from './file-rows.ts';
import { type InputRow, NO_COLUMNS, type RowSource } from './row.ts';

/** The column of the line itself. */
const TEXT = 'text';

/** The lines of stdin, which can be read once. An empty one is a text, too, so that every line has its answer. */
export function lineSource(chunks: AsyncIterable<Buffer> = process.stdin): RowSource {
  return {
    columns: [TEXT],
    inputs: [{ path: '-', bytes: null, files: null }],
    reads: NO_COLUMNS,
    async *rows() {
      let any = false;
      for await (const { number, bytes } of splitLines(narrow(chunks))) {
        any = true;
        yield lineRow(number, bytes);
      }
      if (!any) throw new UserError('stdin is empty', 'Expected one text a line.');
    },
  };
}

/** So many bytes tell UTF-16 of the shortest line; to wait for more would keep the answers of those who type. */
const HEAD_BYTES = 4;

/** The same bytes. UserError where they begin as those of a wider encoding do. */
async function* narrow(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let head: Buffer | null = Buffer.alloc(0);
  for await (const chunk of chunks) {
    if (head === null) {
      yield chunk;
      continue;
    }
    head = Buffer.concat([head, chunk]);
    if (head.length < HEAD_BYTES) continue;
    expectNarrow('stdin', head);
    yield head;
    head = null;
  }
  if (head === null) return;
  expectNarrow('stdin', head);
  yield head;
}

function lineRow(number: number, bytes: Uint8Array | null): InputRow {
  const decoded = bytes === null ? null : decodeUtf8(bytes);
  const text = bytes?.includes(0) ? null : decoded;
  const problem = bytes === null ? TOO_LONG : decoded === null ? 'no valid UTF-8' : HOLDS_NUL;
  return {
    place: `line ${number}`,
    cells: { [TEXT]: text },
    identity: text ?? `\0${problem}`,
    bytes: 2 * (text?.length ?? 0),
    read: null,
    load: async () => (text === null ? { problem } : { input: { text, pair: null } }),
  };
}
