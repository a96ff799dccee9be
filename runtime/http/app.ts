/** The web API of one model, with all that a server in the open needs. It runs wherever `fetch` handlers run. */
import type { Context, MiddlewareHandler } from 'hono';
import { cors } from 'hono/cors';
import { requestId } from 'hono/request-id';
import { secureHeaders } from 'hono/secure-headers';
import { Hono } from 'hono/tiny';
import { checkAccess } from './access.ts';
import { createAdmission } from './admission.ts';
import { createBodyBudget } from './body.ts';
import type { Answer, Classifier } from './classifier.ts';
import { DEFAULT_MAX_BODY_BYTES, type HandlerOptions, predictBody, wrongMethod } from './handler.ts';
import { huggingFaceBody } from './hugging-face.ts';
import { classifyAll } from './inference.ts';
import { type Gauge, Metrics } from './metrics.ts';
import { openApi } from './openapi.ts';
import { pagePolicy } from './page.ts';
import { readPredictRequest } from './predict-request.ts';
import { Problem, problemOf, problemResponse } from './problem.ts';
import { createRateLimit } from './rate-limit.ts';

/** What an operator decides. Unless told otherwise, everybody may ask, and nothing is logged. */
export interface AppOptions extends Omit<HandlerOptions, 'onFailure'> {
  /** Predictions that may be under way or wait at a time; 32 unless given. More are refused with 503. */
  readonly maxPending?: number;
  /** 30 s unless given. */
  readonly deadlineMs?: number;
  /** Of the token that gives access, see `digestOf`; everybody has access unless given. */
  readonly tokenDigest?: string;
  /** Requests of a client in a minute; no limit unless given. */
  readonly ratePerMinute?: number;
  /** Origins whose pages may call, `*` for all; none but its own unless given. */
  readonly corsOrigins?: readonly string[];
  /** The page for `GET /`, in HTML. */
  readonly page?: string;
  /** Told of every request that was answered, and of failures. */
  readonly log?: (entry: LogEntry) => void;
  /** What the host measures of itself. */
  readonly gauges?: () => readonly Gauge[];
}

/** A line of the log: no payloads, no addresses, no tokens. */
export interface LogEntry {
  readonly time: string;
  readonly level: 'info' | 'error';
  readonly requestId: string;
  readonly method: string;
  /** A route, or `other`: a stranger's path may hold anything. */
  readonly route: string;
  readonly status: number;
  readonly durationMs: number;
  /** Of the failure, where the client was only told 500. */
  readonly error?: string;
}

/** What a host may tell of a request: `app.fetch(request, { client })`. */
export interface RequestFacts {
  /** The address that requests are counted by. */
  readonly client?: string;
}

interface Env {
  Bindings: RequestFacts;
  Variables: { requestId: string; error?: Error };
}

/** `fetch(request, { client })` answers a request; rejects for none. */
export type App = Hono<Env>;

/** What setTimeout takes for longer fires at once: 24.8 days. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Bodies of so many of the largest size may be received at a time. */
const BODIES = 64;

/**
 * `POST /v1/predict` · `POST /` (the same, answered as Hugging Face's Inference API) · `GET /v1/model` · `/healthz` ·
 * `/readyz` · `/metrics` · `/openapi.json` · `/` (the page). Errors are problem details (RFC 9457).
 * While the model is still loading, what needs it is refused with 503. A host whose model fails to load has to end by
 * itself.
 * @throws RangeError naming an option that is out of range
 */
export function createApp<Input>(model: Classifier<Input> | Promise<Classifier<Input>>, options: AppOptions = {}): App {
  const {
    maxBodyBytes = DEFAULT_MAX_BODY_BYTES,
    maxPending = 32,
    deadlineMs = 30_000,
    tokenDigest,
    page,
    gauges = () => [],
  } = options;
  expectFromOne('maxBodyBytes', maxBodyBytes);
  expectFromOne('maxPending', maxPending);
  expectFromOne('deadlineMs', deadlineMs, LONGEST_TIMER_MS);
  expectFromOne('ratePerMinute', options.ratePerMinute ?? 1);
  const admission = createAdmission({ maxPending, deadlineMs });
  const bodies = createBodyBudget(BODIES * maxBodyBytes);
  const metrics = new Metrics();
  const loaded = loading(model);

  const app = new Hono<Env>();
  app.use(requestId(), observed(app, metrics, options), secureHeaders({ overwrite: false, xFrameOptions: 'DENY' }));
  if (options.corsOrigins)
    app.use(
      cors({
        origin: originsOf(options.corsOrigins),
        allowMethods: ['GET', 'HEAD', 'POST'],
        allowHeaders: ['authorization', 'content-encoding', 'content-type', 'x-request-id'],
        exposeHeaders: ['x-request-id', 'retry-after'],
        maxAge: 86_400,
      }),
    );
  const guarded = guards(options);
  app.use('/v1/*', ...guarded);
  app.use('/metrics', ...guards({ tokenDigest }));

  app.get('/healthz', (c) => c.json({ status: 'ok' }));
  app.get('/readyz', (c) => {
    loaded();
    return c.json({ status: 'ready' });
  });
  app.get('/metrics', (c) =>
    c.text(
      metrics.text([
        { name: 'slim_predictions_pending', help: 'Predictions under way or waiting.', value: admission.pending() },
        ...gauges(),
      ]),
    ),
  );
  app.get('/openapi.json', (c) => c.json(openApi(loaded(), { maxBodyBytes, needsToken: tokenDigest !== undefined })));
  app.get('/v1/model', (c) => c.json(loaded().info));
  if (page !== undefined) app.get('/', pageHandler(page));

  const predict =
    (bodyOf: (answers: readonly Answer[], isList: boolean, latencyMs: number) => object) =>
    async (c: Context<Env>): Promise<Response> => {
      const classifier = loaded();
      const { inputs, isList, topK } = await readPredictRequest(c.req.raw, classifier, maxBodyBytes, bodies);
      const start = performance.now();
      const answers = await admission.run(inputs.length, c.req.raw.signal, (signal) =>
        classifyAll(classifier, inputs, topK, signal),
      );
      const latencyMs = performance.now() - start;
      metrics.countPredictions(inputs.length, latencyMs / 1000);
      return c.json(bodyOf(answers, isList, latencyMs));
    };
  app.post('/v1/predict', predict(predictBody));
  app.on(
    'POST',
    ['/'],
    ...guarded,
    predict((answers, isList) => huggingFaceBody(answers, isList, loaded().info.task)),
  );

  app.notFound((c) => {
    const methods = routesOf(app)
      .filter(({ path }) => path === c.req.path)
      .map(({ method }) => method);
    // Returned, not thrown: what is thrown here skips the last middleware.
    return problemResponse(
      methods.length === 0
        ? new Problem(404, `there is no ${c.req.path}`)
        : wrongMethod(c.req.method, [...new Set(methods)]),
      c.get('requestId'),
    );
  });
  app.onError((error, c) =>
    problemResponse(
      problemOf(error, (cause) => c.set('error', cause)),
      c.get('requestId'),
    ),
  );
  return app;
}

function expectFromOne(name: string, value: number, most = Number.MAX_SAFE_INTEGER): void {
  if (!(value >= 1 && value <= most)) throw new RangeError(`${name}: expected 1 to ${most}, got ${value}`);
}

/** The model, once it is there. Throws Problem 503 before. */
function loading<Model extends object>(model: Model | Promise<Model>): () => Model {
  let loaded = model instanceof Promise ? undefined : model;
  Promise.resolve(model).then(
    (value) => (loaded = value),
    () => undefined,
  ); // why it failed is for the host, which made the promise
  return () => {
    if (loaded === undefined)
      throw new Problem(503, 'the model is loading: try again', 'loading', { 'retry-after': '1' });
    return loaded;
  };
}

/** Counts and logs a request when it is answered. */
function observed(app: App, metrics: Metrics, { log }: AppOptions): MiddlewareHandler<Env> {
  return async (c, next) => {
    const start = performance.now();
    await next();
    const durationMs = performance.now() - start;
    const { method, path } = c.req;
    const { status } = c.res;
    // Here, not before: an answer to an error begins without headers.
    c.res.headers.set('x-request-id', c.get('requestId'));
    c.res.headers.set('cache-control', 'no-store');
    const route = routesOf(app).some((known) => known.path === path) ? path : 'other';
    metrics.countRequest(route, status, durationMs / 1000);
    const error = c.get('error');
    try {
      log?.({
        time: new Date().toISOString(),
        level: error ? 'error' : 'info',
        requestId: c.get('requestId'),
        method,
        route,
        status,
        durationMs: Math.round(durationMs * 100) / 100,
        ...(error && { error: error.stack ?? error.message }),
      });
    } catch {
      // A log that fails is no reason to refuse an answer, and there is nobody else to tell.
    }
  };
}

/** The routes proper, without middleware, which Hono keeps among them. */
function routesOf({ routes }: App): { path: string; method: string }[] {
  return routes.filter(({ method }) => method !== 'ALL');
}

/** Refuses who has no access, and who asks too often. */
function guards({
  tokenDigest,
  ratePerMinute,
}: Pick<AppOptions, 'tokenDigest' | 'ratePerMinute'>): MiddlewareHandler<Env>[] {
  const access: MiddlewareHandler<Env>[] =
    tokenDigest === undefined
      ? []
      : [
          async (c, next) => {
            await checkAccess(c.req.header('authorization'), tokenDigest);
            await next();
          },
        ];
  if (ratePerMinute === undefined) return access;
  const secondsToWait = createRateLimit(ratePerMinute);
  return [
    async (c, next) => {
      const seconds = secondsToWait(c.env?.client ?? '');
      if (seconds > 0)
        throw new Problem(429, `more than ${ratePerMinute} requests in a minute`, 'rate-limit', {
          'retry-after': `${seconds}`,
        });
      await next();
    },
    ...access,
  ];
}

function originsOf(origins: readonly string[]): string | string[] {
  return origins.includes('*') ? '*' : [...origins];
}

function pageHandler(page: string): (c: Context<Env>) => Promise<Response> {
  let policy: Promise<string> | undefined;
  return async (c) => c.html(page, 200, { 'content-security-policy': await (policy ??= pagePolicy(page)) });
}
