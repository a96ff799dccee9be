/** The web API of a model for texts whose tokenizer may be Unigram, on a host that has only a `fetch` handler. */
import type { HandlerOptions } from '../http/handler.ts';
import { createAnyTokenizer } from '../text/any-tokenizer.ts';
import { createEdgeTextHandler as create } from './edge-text.ts';

/**
 * Reads the artifact, makes its engine, its tokenizer and the handler that answers with them.
 * @throws ArtifactError or PreprocessError saying what is wrong with the artifact.
 */
export function createEdgeTextHandler(
  artifactBytes: Uint8Array,
  kernels: WebAssembly.Module,
  options?: HandlerOptions,
): ReturnType<typeof create> {
  return create(artifactBytes, kernels, options, createAnyTokenizer);
}
