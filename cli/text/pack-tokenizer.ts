import { gzipSync } from 'node:zlib';
import type { Tensor } from '../../runtime/artifact/safetensors.ts';
import { createAnyTokenizer } from '../../runtime/text/any-tokenizer.ts';

/**
 * A tokenizer.json as the tensor `TOKENIZER_TENSOR` (runtime/text/artifact-tokenizer) of an artifact: U8 (bytes). The
 * same JSON gives the same bytes.
 * @throws PreprocessError where it is no tokenizer that is supported.
 */
export function packTokenizer(json: unknown): Tensor {
  createAnyTokenizer(json);
  // Node writes no time into the header, but the system that it runs on.
  const bytes = gzipSync(JSON.stringify(json), { level: 9 });
  bytes[OPERATING_SYSTEM] = UNKNOWN;
  return { dtype: 'U8', shape: [bytes.length], data: new Uint8Array(bytes) };
}

/** RFC 1952, 2.3: the tenth byte, which differs from machine to machine. */
const OPERATING_SYSTEM = 9;
const UNKNOWN = 255;
