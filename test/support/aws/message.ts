/** Requests to AWS and its answers, whatever the service. */
import type { IncomingMessage } from 'node:http';
import { bodyOf } from './loopback.ts';

export interface AwsRequest {
  readonly method: string;
  /** As sent: percent-encoded. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
}

export interface AwsResponse {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | number | undefined>>;
  readonly body?: string | Buffer;
}

/** An error as a service names it. */
export class AwsError extends Error {
  readonly code: string;
  readonly status: number;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export async function readRequest(incoming: IncomingMessage): Promise<AwsRequest> {
  const [path, query = ''] = incoming.url!.split(/\?(.*)/s);
  const headers = Object.fromEntries(
    Object.entries(incoming.headers).map(([name, value]) => [name, [value].flat().join(',')]),
  );
  return {
    method: incoming.method!,
    path,
    query: new URLSearchParams(query.replaceAll('+', '%2B')),
    headers,
    body: await bodyOf(incoming),
  };
}
