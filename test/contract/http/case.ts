/** A request and what every host has to answer. */
import { expect } from 'vitest';
import type { HttpHostName } from './host.ts';

export interface HttpCase {
  readonly name: string;
  /** With the query. */
  readonly path: string;
  /** Made anew for each request: some bodies can be read once. */
  readonly request?: () => RequestInit;
  readonly expected: Expected;
  /** Where a host has to answer otherwise. */
  readonly differs?: Partial<Record<HttpHostName, Difference>>;
}

export interface Expected {
  readonly status: number;
  /** By name; null: there is none. */
  readonly headers?: Readonly<Record<string, unknown>>;
  /** JSON where the answer is some, else text. May have asymmetric matchers in it. */
  readonly body?: unknown;
}

export interface Difference {
  readonly why: string;
  readonly expected: Expected;
}

/** Sends a case's request and checks the answer. */
export async function runCase(
  url: string,
  { path, request, expected }: Pick<HttpCase, 'path' | 'request' | 'expected'>,
): Promise<void> {
  const response = await fetch(`${url}${path}`, request?.());
  const text = await response.text();
  const type = response.headers.get('content-type') ?? '';
  const body: unknown = text !== '' && /json/.test(type) ? JSON.parse(text) : text;
  expect({ status: response.status, body }, text.slice(0, 500)).toEqual({
    status: expected.status,
    body: expected.body ?? expect.anything(),
  });
  for (const [name, value] of Object.entries(expected.headers ?? {}))
    expect(response.headers.get(name), name).toEqual(value);
  if (expected.headers?.['x-request-id'] === null) return;
  const requestId = response.headers.get('x-request-id');
  expect(requestId).toMatch(/^[\w=-]{1,255}$/);
  if (type === 'application/problem+json') expect((body as { requestId: string }).requestId).toBe(requestId);
}

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Content',
};

/** Problem details (RFC 9457) whose detail holds this. */
export function problem(
  status: number,
  detail: string,
  { code, headers }: { readonly code?: string; readonly headers?: Expected['headers'] } = {},
): Expected {
  return {
    status,
    headers: { 'content-type': 'application/problem+json', ...headers },
    body: {
      type: 'about:blank',
      title: TITLES[status],
      status,
      detail: expect.stringContaining(detail) as string,
      error: expect.stringContaining(detail) as string,
      requestId: expect.any(String) as string,
      ...(code !== undefined && { code }),
    },
  };
}

/** A request with a body of this type. */
export function post(
  body: () => BodyInit,
  type: string,
  headers: Readonly<Record<string, string>> = {},
): () => RequestInit {
  return () => ({ method: 'POST', body: body(), headers: { 'content-type': type, ...headers } });
}

export function postJson(body: unknown, headers?: Readonly<Record<string, string>>): () => RequestInit {
  return post(() => JSON.stringify(body), 'application/json', headers);
}

/** A form with these fields; files have a name. */
export function postForm(
  fields: readonly (readonly [name: string, value: string | Uint8Array<ArrayBuffer>])[],
  headers: Readonly<Record<string, string>> = {},
): () => RequestInit {
  return () => {
    const form = new FormData();
    for (const [name, value] of fields)
      form.append(name, typeof value === 'string' ? value : new File([value], 'file'));
    return { method: 'POST', body: form, headers };
  };
}

/** A body that comes in pieces, without its length. */
export function chunked(bytes: number, piece = 16_384): () => BodyInit {
  return () => {
    let left = bytes;
    return new ReadableStream({
      pull(controller) {
        if (left <= 0) return controller.close();
        controller.enqueue(new Uint8Array(Math.min(piece, left)));
        left -= piece;
      },
    });
  };
}
