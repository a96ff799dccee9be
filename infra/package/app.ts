/** `slim-transformer/app`: the whole web API of a model as a Hono app, wherever `fetch` handlers run. */
export { digestOf } from '../../runtime/http/access.ts';
export { type AppOptions, createApp, type LogEntry, type RequestFacts } from '../../runtime/http/app.ts';
export type { Answer, Classifier, ModelInfo, Prediction } from '../../runtime/http/classifier.ts';
export type { Gauge } from '../../runtime/http/metrics.ts';
