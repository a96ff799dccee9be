/** The bytes of a table in a file: unpacked where it is .gz, without a byte order mark, known to be no UTF-16. */
import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { UserError } from '../../io/errors.ts';
import { foreignKind } from '../picture-formats.ts';
import { sizeOf, unreadable } from './rows.ts';

/** A file as it is read, piece by piece. */
export interface ByteSource {
  readonly chunks: AsyncGenerator<Buffer>;
  /** How much of the file so many of these bytes are, from 0 to 1. */
  share(bytes: number): number;
}

/**
 * What a packed file may hold: text packs to a third or a tenth of its size, a table of few words to a fiftieth; what
 * goes far beyond is made to fill a machine.
 */
const MOST_UNPACKED = 256;
/** Below that nothing is asked. */
const FREE_BYTES = 64 * 1024 ** 2;

/** Opens a file. UserErrors, also of `chunks`: it is empty, can't be read, is packed beyond measure, or is no UTF-8. */
export async function openBytes(path: string): Promise<ByteSource> {
  const size = await sizeOf(path);
  const file = createReadStream(path);
  const packed = /\.gz$/i.test(path);
  let skipped = 0;
  async function* chunks(): AsyncGenerator<Buffer> {
    let first = true;
    try {
      for await (const chunk of packed ? unpacked(path, size, file) : (file as AsyncIterable<Buffer>)) {
        if (first) {
          expectUtf8(path, chunk);
          skipped = BOM.every((byte, i) => chunk[i] === byte) ? BOM.length : 0;
        }
        yield first ? chunk.subarray(skipped) : chunk;
        first = false;
      }
    } catch (error) {
      throw unreadable(path, error);
    } finally {
      file.destroy();
    }
  }
  return {
    chunks: chunks(),
    share: (bytes) => Math.min(1, packed ? file.bytesRead / size : (skipped + bytes) / size),
  };
}

const BOM = [0xef, 0xbb, 0xbf];

async function* unpacked(path: string, size: number, file: NodeJS.ReadableStream): AsyncGenerator<Buffer> {
  const gunzip = createGunzip();
  file.on('error', (error) => gunzip.destroy(error));
  let bytes = 0;
  try {
    for await (const chunk of file.pipe(gunzip) as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > Math.max(FREE_BYTES, MOST_UNPACKED * size))
        throw new UserError(
          `${path} unpacks to more than ${MOST_UNPACKED} times its size`,
          'Is it a table? Unpack it yourself (gunzip) and give what comes of it.',
        );
      yield chunk;
    }
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(
      `${path} can't be unpacked: ${error instanceof Error ? error.message : String(error)}`,
      'Is it a whole gzip file? Fetch or pack it again.',
    );
  }
}

/** UserError where a file's first bytes tell that it is no table in UTF-8. */
export function expectUtf8(path: string, head: Uint8Array): void {
  expectNarrow(path, head);
  expectTable(path, head);
}

/** UserError where first bytes tell of UTF-16 or UTF-32, which UTF-8 may be taken for: as Latin letters with zeros. */
export function expectNarrow(path: string, head: Uint8Array): void {
  const encoding = wideEncoding(head);
  if (encoding !== null)
    throw new UserError(
      `${path} is in ${encoding}, expected UTF-8`,
      `Save it as UTF-8, such as by iconv -f ${encoding} -t UTF-8.`,
    );
}

/** UserError where a file's first bytes are those of something else, such as a web page or a pointer of Git LFS. */
export function expectTable(path: string, head: Uint8Array): void {
  const kind = foreignKind(head);
  if (kind !== null) throw new UserError(`${path} is ${kind}, expected a table`, 'Check what the file holds.');
}

/** UTF-16 or UTF-32 by its mark, or by the zeros that stand beside Latin letters in UTF-16; null for others. */
export function wideEncoding(head: Uint8Array): string | null {
  const [a, b, c, d] = head;
  if (a === 0xff && b === 0xfe) return c === 0 && d === 0 && head.length > 3 ? 'UTF-32LE' : 'UTF-16LE';
  if (a === 0xfe && b === 0xff) return 'UTF-16BE';
  if (a === 0 && b === 0 && c === 0xfe && d === 0xff) return 'UTF-32BE';
  const looked = head.subarray(0, 1024);
  const zeros = [0, 0];
  for (const [i, byte] of looked.entries()) if (byte === 0) zeros[i & 1]++;
  const many = looked.length / 8;
  if (zeros[1] > many && zeros[0] === 0) return 'UTF-16LE';
  return zeros[0] > many && zeros[1] === 0 ? 'UTF-16BE' : null;
}
