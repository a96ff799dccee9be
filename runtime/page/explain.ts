import type { Failure } from './client.ts';

/** What a model takes, in words; `input` where that is not known yet. */
export type InputName = 'picture' | 'text' | 'input';

/** Says in words what went wrong, and what to do about it. */
export function explain({ status, message: detail, retryAfterSeconds, requestId }: Failure, input: InputName): string {
  switch (status) {
    case 0:
      return 'The server can’t be reached. Check your connection and try again.';
    case 401:
      return 'This model asks for an access token.';
    case 403:
      return 'This token is not accepted. Check it and try again.';
    case 413:
      return sentence(`This ${input} is larger than the server takes`, detail);
    case 415:
      return sentence('The server does not take files of this kind', detail);
    case 422:
      return sentence(`This ${input} can’t be read`, detail);
    case 429:
      return `That was too many requests in a short time. ${tryAgain(retryAfterSeconds)}`;
    case 503:
      return `The server is busy. ${tryAgain(retryAfterSeconds)}`;
    case 504:
      return 'The answer took too long. Try again.';
  }
  if (status < 500) return sentence(`The server refused the request (${status})`, detail);
  const look = requestId === '' ? '' : `, or look for request ${requestId} in its log`;
  return `Something went wrong on the server (${status}). Try again${look}.`;
}

/** Whether the same request may succeed later. */
export function isPassing({ status }: Failure): boolean {
  return status === 0 || status === 429 || status >= 500;
}

function tryAgain(seconds: number | null): string {
  return seconds === null ? 'Try again in a moment.' : `Try again in ${seconds} second${seconds === 1 ? '' : 's'}.`;
}

function sentence(what: string, detail: string): string {
  return detail === '' ? `${what}.` : `${what}: ${detail.replace(/\.$/, '')}.`;
}
