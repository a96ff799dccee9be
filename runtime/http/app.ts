import { HonoBase } from 'hono/hono-base';
import { isPreprocessError } from '../preprocess/error.ts';
import type { Classifier } from './classifier.ts';
import { ExactRouter } from './exact-router.ts';
import { readPredictRequest } from './predict-request.ts';
import { Problem, problemResponse } from './problem.ts';

export interface AppOptions {
  /** Bodies above this are refused before they are read; 4 MiB unless given. */
  readonly maxBodyBytes?: number;
  /** Told of failures that the client only sees as "500". */
  readonly onFailure?: (error: Error) => void;
}

const DEFAULT_MAX_BODY_BYTES = 4 * 1024 ** 2;

const METHODS: Readonly<Record<string, string>> = { '/healthz': 'GET, HEAD', '/v1/model': 'GET, HEAD', '/v1/predict': 'POST' };

/**
 * The web API of one model:
 * `GET /healthz` · `GET /v1/model` · `POST /v1/predict` (a picture or a text as the body, or JSON {image, topK} or {text, textPair, topK}; `?topK=`).
 * Errors are problem details (RFC 9457). It runs wherever `fetch` handlers run.
 */
export function createApp<Input>(model: Classifier<Input>, { maxBodyBytes = DEFAULT_MAX_BODY_BYTES, onFailure }: AppOptions = {}): HonoBase {
  const app = new HonoBase({ router: new ExactRouter(), getPath: ({ url }) => new URL(url).pathname });

  app.get('/healthz', (c) => c.json({ status: 'ok' }));

  app.get('/v1/model', (c) => c.json(model.info));

  app.post('/v1/predict', async (c) => {
    const { input, topK } = await readPredictRequest(c.req, model.input, maxBodyBytes);
    const start = performance.now();
    const answer = await model.classify(input, topK);
    return c.json({ ...answer, latencyMs: performance.now() - start });
  });

  app.all('/*', ({ req: { path, method } }) => {
    const allow = METHODS[path];
    throw allow ? new Problem(405, `expected ${allow}, got ${method}`, undefined, { allow }) : new Problem(404, `there is no ${path}`);
  });

  app.onError((error, c) => {
    if (error instanceof Problem) return problemResponse(c, error);
    if (isPreprocessError(error)) return problemResponse(c, new Problem(422, error.message, error.code));
    onFailure?.(error);
    return problemResponse(c, new Problem(500, 'the prediction failed'));
  });
  return app;
}
