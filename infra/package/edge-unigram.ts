/**
 * `slim-transformer/edge-unigram`: the web API of a model for texts whose tokenizer may be Unigram, too, as
 * XLM-RoBERTa's and CamemBERT's are. One module, no imports, 18 KB gzipped.
 */
export { createEdgeTextHandler } from '../../runtime/hosts/edge-unigram.ts';
export type { HandlerOptions } from '../../runtime/http/handler.ts';
