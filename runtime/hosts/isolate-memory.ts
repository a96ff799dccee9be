/** What an isolate of Cloudflare Workers has room for: https://developers.cloudflare.com/workers/platform/limits/#memory */
import type { Artifact } from '../artifact/artifact.ts';
import { memoryLayout } from '../artifact/plan-memory.ts';

const ISOLATE_BYTES = 128e6;
/** Code, its heap, codecs. */
const OWN_BYTES = 20e6;
/** Of a picture while it is decoded. Measured in workerd: 12 to 15 (baseline JPEG, WebP, PNG, progressive JPEG; 6 and 12 megapixels). */
const PIXEL_BYTES = 16;

/** Bytes that an isolate has left beside an artifact and its engine; below 0 where they don't fit. */
export function bytesLeft({ fileBytes, data, manifest }: Artifact): number {
  return ISOLATE_BYTES - OWN_BYTES - fileBytes - memoryLayout(data.length, manifest.plan).bytes;
}

/** The pixels of the largest picture that can be decoded in what is left. */
export function pixelsLeft(artifact: Artifact): number {
  return Math.max(0, Math.floor(bytesLeft(artifact) / PIXEL_BYTES));
}
