/** `slim-transformer/edge-text`: the smallest web API of a model for texts. One module, no imports, 16 KB gzipped. */
export { createEdgeTextHandler } from '../../runtime/hosts/edge-text.ts';
export type { HandlerOptions } from '../../runtime/http/handler.ts';
