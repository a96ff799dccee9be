/**
 * The smallest web API of a model for texts, on a host that has no files and no threads, but a `fetch` handler:
 * workerd, Deno, Bun, a service worker.
 */
import { readArtifact } from '../artifact/artifact.ts';
import { createEngine } from '../engine/engine.ts';
import { createHandler, type HandlerOptions } from '../http/handler.ts';
import { createTextClassifier } from '../http/text-classifier.ts';
import { createTokenizer, type Tokenizer } from '../text/tokenizer.ts';

/**
 * Reads the artifact, makes its engine, its tokenizer (WordPiece or BPE; others by `create`) and the handler that answers
 * with them.
 * @throws ArtifactError or PreprocessError saying what is wrong with the artifact.
 */
export async function createEdgeTextHandler(
  artifactBytes: Uint8Array,
  kernels: WebAssembly.Module,
  options?: HandlerOptions,
  create: (json: unknown) => Tokenizer = createTokenizer,
): Promise<ReturnType<typeof createHandler>> {
  const artifact = await readArtifact(artifactBytes);
  return createHandler(await createTextClassifier(artifact, createEngine(artifact, kernels), create), options);
}
