/** The web API, as the page asks it. Addresses are relative: the page may lie below a path. */
import type { Answer, ModelInfo } from '../http/classifier.ts';
import type { PredictRequest } from './predict-request.ts';

/** What `POST /v1/predict` tells of one input. */
export interface TimedAnswer extends Answer {
  /** On the server. */
  readonly latencyMs: number;
}

/** An answer that is none: a status other than 2xx, or no answer at all (status 0). */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly status: number;
  /** When the server says it may be asked again. */
  readonly retryAfterSeconds: number | null;
  readonly requestId: string;

  constructor(status: number, detail: string, retryAfterSeconds: number | null = null, requestId = '') {
    super(detail);
    this.status = status;
    this.retryAfterSeconds = retryAfterSeconds;
    this.requestId = requestId;
  }
}

/** Kept in memory only: whoever leaves the page must give it again. */
let token: string | null = null;

/** Sends this token with every request from now on. */
export function useToken(given: string): void {
  token = given;
}

/** Whether a token was given, right or wrong. */
export function hasToken(): boolean {
  return token !== null;
}

/** @throws Failure */
export async function fetchModel(): Promise<ModelInfo> {
  return (await ask('v1/model')) as ModelInfo;
}

/** @throws Failure, or the signal's reason where it was aborted */
export async function predict(
  { contentType, body }: PredictRequest,
  topK: number,
  signal: AbortSignal,
): Promise<TimedAnswer> {
  return (await ask(`v1/predict?top_k=${topK}`, {
    method: 'POST',
    headers: { 'content-type': contentType },
    body,
    signal,
  })) as TimedAnswer;
}

async function ask(path: string, init: RequestInit = {}): Promise<unknown> {
  const headers = new Headers(init.headers);
  if (token !== null) headers.set('authorization', `Bearer ${token}`);
  try {
    const response = await fetch(path, { ...init, headers });
    if (!response.ok) throw await failureOf(response);
    return await response.json();
  } catch (error) {
    if (error instanceof Failure || init.signal?.aborted) throw error;
    throw new Failure(0, '');
  }
}

/** Proxies answer for the server, too, and not in JSON. */
async function failureOf(response: Response): Promise<Failure> {
  const problem = (await response.json().catch(() => ({}))) as { readonly detail?: unknown };
  const seconds = Number(response.headers.get('retry-after') ?? NaN);
  return new Failure(
    response.status,
    String(problem.detail ?? ''),
    Number.isFinite(seconds) ? seconds : null,
    response.headers.get('x-request-id') ?? '',
  );
}
