/** What may go wrong between a client and AWS. */
import type { ServerResponse } from 'node:http';
import type { AwsResponse } from './message.ts';

export interface FaultyRequest {
  /** `s3`, `cloudformation`, `lambda` or `sts`. */
  readonly service: string;
  /** As the SDK names it: `PutObject`. */
  readonly operation: string;
  /** How many of this operation came since the faults were set, this one included. */
  readonly count: number;
}

export type Fault =
  /** Refused, as with 500 InternalError, 503 SlowDown or 400 ThrottlingException. */
  | { readonly kind: 'status'; readonly status: number; readonly code: string }
  /** Done, later. */
  | { readonly kind: 'delay'; readonly ms: number }
  /** Not done; the connection ends. */
  | { readonly kind: 'drop' }
  /** Not done and never answered. */
  | { readonly kind: 'timeout' }
  /** Done, but the connection ends within the answer, or before one that has no body. */
  | { readonly kind: 'cut' };

/** Asked at every request. Null: all goes well. */
export type Faults = (request: FaultyRequest) => Fault | null;

export function sendResponse(outgoing: ServerResponse, { status, headers = {}, body = '' }: AwsResponse): void {
  writeHead(outgoing, status, headers, Buffer.byteLength(body));
  outgoing.end(body);
}

/** Sends a response up to its middle. */
export function cutResponse(outgoing: ServerResponse, { status, headers = {}, body = '' }: AwsResponse): void {
  const bytes = Buffer.from(body as string);
  if (bytes.length === 0) return void outgoing.destroy();
  writeHead(outgoing, status, headers, bytes.length);
  outgoing.write(bytes.subarray(0, bytes.length >> 1), () => outgoing.destroy());
}

function writeHead(
  outgoing: ServerResponse,
  status: number,
  headers: NonNullable<AwsResponse['headers']>,
  bytes: number,
): void {
  const given = Object.entries(headers).filter((entry): entry is [string, string | number] => entry[1] !== undefined);
  outgoing.writeHead(status, { 'content-length': bytes, 'x-amz-request-id': 'SLIMTEST', ...Object.fromEntries(given) });
}
