import type { Context } from 'hono';

type ProblemStatus = 400 | 404 | 405 | 413 | 415 | 422 | 500 | 503;

/** An error that the client is told of, as problem details (RFC 9457) of type about:blank, whose title would only repeat the status. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly status: ProblemStatus;
  /** A stable word for programs, beside the status; none where the status says it all. */
  readonly code: string | undefined;
  readonly headers: Readonly<Record<string, string>> | undefined;

  constructor(status: ProblemStatus, detail: string, code?: string, headers?: Readonly<Record<string, string>>) {
    super(detail);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

export function problemResponse(c: Context, { status, message, code, headers }: Problem): Response {
  return c.body(JSON.stringify({ status, detail: message, code }), status, { 'content-type': 'application/problem+json', ...headers });
}
