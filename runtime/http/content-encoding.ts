/** Bodies that come packed: `Content-Encoding: gzip`. */
import { type BodyBudget, NO_LIMIT } from './body.ts';
import { Problem } from './problem.ts';

/** Unpacks a body. Throws Problem 400 where it is not packed so, 413 where it is too long unpacked, and 503. */
export type BodyDecoder = (
  body: Uint8Array<ArrayBuffer>,
  maxBytes: number,
  budget?: BodyBudget,
) => Promise<Uint8Array<ArrayBuffer>>;

/** What every host unpacks, as a 415 tells it (RFC 9110, 15.5.16). */
const EVERYWHERE = 'gzip, deflate';

/** HTTP's names of the formats, and those of the web's streams. Brotli is there where the host has it. */
const FORMATS: Readonly<Record<string, string>> = {
  gzip: 'gzip',
  'x-gzip': 'gzip',
  deflate: 'deflate',
  br: 'brotli',
};

/** How the body of a request is unpacked, told before it is read. Throws Problem 415 naming an encoding that is not. */
export function decoderOf({ headers }: Request): BodyDecoder {
  const encoding = (headers.get('content-encoding') ?? '').trim().toLowerCase();
  if (encoding === '' || encoding === 'identity') return async (body) => body;
  try {
    const unpacking = new DecompressionStream(FORMATS[encoding] as CompressionFormat);
    return (body, maxBytes, budget) => unpack(body, unpacking, encoding, maxBytes, budget);
  } catch {
    throw new Problem(415, `Content-Encoding: expected ${EVERYWHERE} or none, got ${encoding}`, undefined, {
      'accept-encoding': EVERYWHERE,
    });
  }
}

/** Stops at the first piece beyond the limit: some kilobytes may stand for gigabytes. */
async function unpack(
  body: Uint8Array<ArrayBuffer>,
  unpacking: DecompressionStream,
  encoding: string,
  maxBytes: number,
  budget = NO_LIMIT,
): Promise<Uint8Array<ArrayBuffer>> {
  const reader = new Blob([body]).stream().pipeThrough(unpacking).getReader();
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  let taken = 0;
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      if ((length += part.value.length) > maxBytes)
        throw new Problem(413, `the body is larger than ${maxBytes} bytes unpacked`);
      budget.take(part.value.length);
      taken = length;
      parts.push(part.value);
    }
    return new Uint8Array(await new Blob(parts).arrayBuffer());
  } catch (error) {
    reader.cancel().catch(() => undefined); // whether it ends well is of no interest any more
    throw error instanceof Problem ? error : new Problem(400, `the body: expected ${encoding}`);
  } finally {
    budget.give(taken);
  }
}
