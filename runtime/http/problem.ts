import type { Context } from 'hono';

type ProblemStatus = 400 | 404 | 405 | 413 | 415 | 422 | 500 | 503;

/** An error that the client is told of, as problem details (RFC 9457) of type about:blank, whose title would only repeat the status. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly status: ProblemStatus;
  /** A stable word for programs, beside the status; null where the status says it all. */
  readonly code: string | null;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: ProblemStatus, detail: string, code: string | null = null, headers: Readonly<Record<string, string>> = {}) {
    super(detail);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

export function problemResponse(c: Context, { status, message, code, headers }: Problem): Response {
  const body = { status, detail: message, ...(code === null ? {} : { code }) };
  return c.body(JSON.stringify(body), status, { 'content-type': 'application/problem+json', ...headers });
}
