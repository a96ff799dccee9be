/**
 * The smallest web API of a model: three routes and no framework, for hosts that count kilobytes. `app.ts` is the whole
 * one.
 */
import type { Answer, Classifier } from './classifier.ts';
import { classifyAll } from './inference.ts';
import { readPredictRequest } from './predict-request.ts';
import { Problem, problemOf, problemResponse } from './problem.ts';

/** What every web API of ours may be told. */
export interface HandlerOptions {
  /** Bodies above this are refused, and never kept whole; 4 MiB unless given. */
  readonly maxBodyBytes?: number;
  /** Told of failures that the client only sees as "500". May not throw. */
  readonly onFailure?: (error: Error) => void;
}

/** 4 MiB: what fits through AWS Lambda's 6 MB in base64, too. */
export const DEFAULT_MAX_BODY_BYTES = 4 * 1024 ** 2;

/**
 * A handler of requests, as hosts with `fetch` handlers take it: `GET /healthz`, `GET /v1/model`, `POST /v1/predict`.
 * Never rejects.
 */
export function createHandler<Input>(
  model: Classifier<Input>,
  { maxBodyBytes = DEFAULT_MAX_BODY_BYTES, onFailure }: HandlerOptions = {},
): (request: Request) => Promise<Response> {
  const routes: Readonly<Record<string, Readonly<Record<string, (request: Request) => unknown>>>> = {
    '/healthz': { GET: () => ({ status: 'ok' }) },
    '/v1/model': { GET: () => model.info },
    '/v1/predict': {
      POST: async (request) => {
        const { inputs, isList, topK } = await readPredictRequest(request, model, maxBodyBytes);
        const start = performance.now();
        const answers = await classifyAll(model, inputs, topK);
        return predictBody(answers, isList, performance.now() - start);
      },
    },
  };
  return async (request) => {
    try {
      return Response.json(await routeOf(routes, request)(request));
    } catch (error) {
      return problemResponse(problemOf(error as Error, onFailure));
    }
  };
}

function routeOf<Route>(
  routes: Readonly<Record<string, Readonly<Record<string, Route>>>>,
  { url, method }: Request,
): Route {
  const { pathname } = new URL(url);
  if (!Object.hasOwn(routes, pathname)) throw new Problem(404, `there is no ${pathname}`);
  const methods = routes[pathname];
  const asked = method === 'HEAD' ? 'GET' : method; // hosts leave the body out
  if (!Object.hasOwn(methods, asked)) throw wrongMethod(method, Object.keys(methods));
  return methods[asked];
}

/** 405, with the methods that the route has; whatever takes GET takes HEAD. */
export function wrongMethod(method: string, allowed: readonly string[]): Problem {
  const allow = allowed.flatMap((name) => (name === 'GET' ? ['GET', 'HEAD'] : [name])).join(', ');
  return new Problem(405, `expected ${allow}, got ${method}`, undefined, { allow });
}

/** The JSON that answers `POST /v1/predict`. */
export function predictBody(answers: readonly Answer[], isList: boolean, latencyMs: number): object {
  return isList ? { results: answers, latencyMs } : { ...answers[0], latencyMs };
}
