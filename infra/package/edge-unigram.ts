/**
 * `slim-transformer/edge-unigram`: the web API of a model for texts whose tokenizer may be Unigram, too, as
 * XLM-RoBERTa's and CamemBERT's are. One module, no imports, 18 KB gzipped.
 */
import { createEdgeTextHandler as create } from '../../runtime/hosts/edge-text.ts';
import type { HandlerOptions } from '../../runtime/http/handler.ts';
import { createAnyTokenizer } from '../../runtime/text/any-tokenizer.ts';

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
export type { HandlerOptions } from '../../runtime/http/handler.ts';
