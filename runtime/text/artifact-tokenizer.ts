/** The tokenizer of an artifact: its tokenizer.json, compressed, as the bytes of a tensor. */
import type { Artifact } from '../artifact/artifact.ts';
import { ArtifactError } from '../artifact/errors.ts';
import { madeBy, ofArtifact } from '../artifact/schema.ts';
import type { Tokenizer } from './tokenizer.ts';

/** U8 (bytes): the JSON, compressed by gzip. */
export const TOKENIZER_TENSOR = 'tokenizer';

/** Four times what the largest known vocabularies take. */
const MAX_JSON_BYTES = 32 * 1024 ** 2;

/**
 * Unpacks and checks an artifact's tokenizer; `create` makes it of its JSON: `createAnyTokenizer`, or `createTokenizer`
 * for less.
 * @throws ArtifactError where it is missing, no gzip, too large or no JSON; PreprocessError `bad-spec` where the JSON
 * is no tokenizer that is supported.
 */
export async function readTokenizer(
  { entries, data }: Pick<Artifact, 'entries' | 'data'>,
  create: (json: unknown) => Tokenizer,
): Promise<Tokenizer> {
  const entry = entries.get(TOKENIZER_TENSOR);
  if (entry === undefined) throw new ArtifactError('name', `no tensor is named "${TOKENIZER_TENSOR}"`);
  if (entry.dtype !== 'U8')
    throw new ArtifactError('dtype', `expected "${TOKENIZER_TENSOR}" as U8, got ${entry.dtype}`);
  const bytes = await inflate(data.slice(entry.begin, entry.end), MAX_JSON_BYTES);
  return create(parse(TOKENIZER_TENSOR, new TextDecoder().decode(bytes)));
}

const parse = ofArtifact('value', madeBy(JSON.parse as (text: string) => unknown, 'JSON'));

/** Stops as soon as it gets too large, so that a small file can't fill the memory. */
async function inflate(compressed: Uint8Array<ArrayBuffer>, most: number): Promise<Uint8Array> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  try {
    for await (const part of chunksOf(new Blob([compressed]).stream().pipeThrough(new DecompressionStream('gzip')))) {
      if ((length += part.length) > most) break;
      parts.push(part as Uint8Array<ArrayBuffer>);
    }
  } catch {
    throw new ArtifactError('value', `${TOKENIZER_TENSOR}: expected gzip, got ${compressed.length} other bytes`);
  }
  if (length > most)
    throw new ArtifactError('memory', `${TOKENIZER_TENSOR}: expected at most ${most} bytes of JSON, got more`);
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** Chunk by chunk; leaving early cancels the stream. Browsers' streams are not iterable everywhere. */
async function* chunksOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  } finally {
    await reader.cancel();
  }
}
