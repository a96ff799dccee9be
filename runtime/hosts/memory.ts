/**
 * What fits into the memory of a host that ends whoever takes more: an artifact, its engine, and a picture while it is
 * decoded.
 */
import type { Artifact } from '../artifact/artifact.ts';
import { memoryLayout } from '../artifact/plan-memory.ts';
import { defaultPictureLimits, type PictureLimits } from '../preprocess/decode.ts';

/** What a host allows, and what is taken of it before there is an artifact. */
export interface HostMemory {
  readonly totalBytes: number;
  /** Code, its heap, codecs. */
  readonly ownBytes: number;
}

/** An isolate of Cloudflare Workers: https://developers.cloudflare.com/workers/platform/limits/#memory */
export const ISOLATE: HostMemory = { totalBytes: 128e6, ownBytes: 20e6 };

/** An execution environment of AWS Lambda. Node with the function's code was measured at 75 MB resident. */
export function lambdaMemory(memoryMb: number): HostMemory {
  return { totalBytes: memoryMb * 1024 ** 2, ownBytes: 90e6 };
}

/**
 * Of a picture while it is decoded. Measured in workerd: 12 to 15 (baseline JPEG, WebP, PNG, progressive JPEG; 6 and 12
 * megapixels).
 */
const PIXEL_BYTES = 16;

/** Bytes that a host has left beside an artifact and its engine; below 0 where they don't fit. */
export function bytesLeft(
  { fileBytes, data, manifest, entries }: Artifact,
  { totalBytes, ownBytes }: HostMemory,
): number {
  return totalBytes - ownBytes - fileBytes - memoryLayout(data.length, manifest.plan, entries).bytes;
}

/** The pixels of the largest picture that can be decoded in what is left. */
export function pixelsLeft(artifact: Artifact, memory: HostMemory): number {
  return Math.max(0, Math.floor(bytesLeft(artifact, memory) / PIXEL_BYTES));
}

/** The usual limits, or less where less fits. */
export function pictureLimits(artifact: Artifact, memory: HostMemory): PictureLimits {
  return { ...defaultPictureLimits, maxPixels: Math.min(defaultPictureLimits.maxPixels, pixelsLeft(artifact, memory)) };
}
