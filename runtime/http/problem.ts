import { isPreprocessError } from '../preprocess/error.ts';

/**
 * The statuses of refusals, with the titles that RFC 9110 gives them. 499 goes to no client: it left before its answer.
 */
const TITLES = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Content',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  499: 'Client Closed Request',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
} as const;

/** The statuses that a `Problem` may have. */
export type ProblemStatus = keyof typeof TITLES;

/** An error that the client is told of, as problem details (RFC 9457) of type about:blank. */
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

/**
 * What a client is told of anything thrown. The reason of a failure that is not its own stays inside: `onFailure` gets
 * it.
 */
export function problemOf(error: Error, onFailure?: (error: Error) => void): Problem {
  if (error instanceof Problem) return error;
  if (isPreprocessError(error)) return new Problem(422, error.message, error.code);
  onFailure?.(error);
  return new Problem(500, 'the prediction failed');
}

/** The JSON of a problem; `error` is `detail` once more, as Hugging Face's clients look for it there to print it. */
export function problemDetails({ status, message, code }: Problem, requestId?: string): object {
  return { type: 'about:blank', title: TITLES[status], status, detail: message, error: message, code, requestId };
}

/**
 * The response that tells a client of a problem: its JSON, its own headers, and the request's id where there is one.
 */
export function problemResponse(problem: Problem, requestId?: string): Response {
  const { status, headers } = problem;
  return new Response(JSON.stringify(problemDetails(problem, requestId)), {
    status,
    headers: { 'content-type': 'application/problem+json', ...headers },
  });
}
