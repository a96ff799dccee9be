/**
 * The smallest web API of a model for pictures, on a host that has no files and no threads, but a `fetch` handler:
 * workerd, Deno, Bun, a service worker.
 */
import { readArtifact } from '../artifact/artifact.ts';
import { createEngine } from '../engine/engine.ts';
import { createHandler, type HandlerOptions } from '../http/handler.ts';
import { createPictureClassifier, type DecodePicture } from '../http/picture-classifier.ts';

/**
 * Reads the artifact, makes its engine and the handler that answers with it. Decoding pictures is left to the caller,
 * since codecs weigh more than all the rest: `(bytes) => decodePicture(bytes, jsquashDecoders(modules))`, or less.
 * @throws ArtifactError or PreprocessError saying what is wrong with the artifact.
 */
export async function createEdgeHandler(
  artifactBytes: Uint8Array,
  kernels: WebAssembly.Module,
  decode: DecodePicture,
  options?: HandlerOptions,
): Promise<ReturnType<typeof createHandler>> {
  const artifact = await readArtifact(artifactBytes);
  return createHandler(createPictureClassifier(artifact, createEngine(artifact, kernels), decode), options);
}
