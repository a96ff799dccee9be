/** A function URL over an execution environment: HTTP requests become events and results responses. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { MAX_REQUEST_BYTES } from './lambda/outcome.ts';
import { type IamCaller, sendResult, urlEvent } from './lambda/url-event.ts';
import type { LambdaRuntime } from './lambda-runtime.ts';
import { bodyOf, type LoopbackServer, serveLoopback } from './loopback.ts';

/** Serves an environment to everybody. */
export function lambdaFrontEnd(runtime: Pick<LambdaRuntime, 'invoke'>): Promise<LoopbackServer> {
  return serveLoopback(async (request, response) => answerUrl(runtime, request, await bodyOf(request), response));
}

/**
 * Answers one request with what the function makes of it; with 502 where it fails, 413 where the event is too large for
 * it.
 */
export async function answerUrl(
  runtime: Pick<LambdaRuntime, 'invoke'>,
  request: IncomingMessage,
  body: Buffer,
  response: ServerResponse,
  caller: IamCaller | null = null,
): Promise<void> {
  const event = urlEvent(request, body, caller);
  if (Buffer.byteLength(JSON.stringify(event)) > MAX_REQUEST_BYTES) {
    return refuse(
      response,
      413,
      `Request must be smaller than ${MAX_REQUEST_BYTES} bytes for the InvokeFunction operation`,
    );
  }
  const { payload, error } = await runtime.invoke(event);
  if (error !== undefined)
    return void response.writeHead(502, { 'content-type': 'application/json' }).end('Internal Server Error');
  sendResult(response, payload);
}

/** A refusal by Lambda itself. */
export function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ Message: message }));
}
