/** `slim-transformer/edge`: the smallest web API of a model for pictures. One module, no imports, 10 KB gzipped. */
export { createEdgeHandler } from '../../runtime/hosts/edge.ts';
export type { HandlerOptions } from '../../runtime/http/handler.ts';
export type { DecodePicture } from '../../runtime/http/picture-classifier.ts';
export type { Picture } from '../../runtime/preprocess/picture.ts';
