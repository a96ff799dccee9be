/** Lines on stdin as rows: one text a line. */
import { splitLines } from '../data/text/lines.ts';
import { decodeUtf8, TOO_LONG } from '../data/text/rows.ts';
import { UserError } from '../io/errors.ts';
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
      for await (const { number, bytes } of splitLines(chunks)) {
        any = true;
        yield lineRow(number, bytes);
      }
      if (!any) throw new UserError('stdin is empty', 'Expected one text a line.');
    },
  };
}

function lineRow(number: number, bytes: Uint8Array | null): InputRow {
  const text = bytes === null ? null : decodeUtf8(bytes);
  const problem = bytes === null ? TOO_LONG : 'no valid UTF-8';
  return {
    place: `line ${number}`,
    cells: { [TEXT]: text },
    identity: text ?? `\0${problem}`,
    bytes: 2 * (text?.length ?? 0),
    read: null,
    load: async () => (text === null ? { problem } : { input: { text, pair: null } }),
  };
}
