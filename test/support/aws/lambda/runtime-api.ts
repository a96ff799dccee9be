/**
 * Lambda's Runtime API, which a runtime asks for work, one invocation after the other
 * (docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html).
 */
import type { ServerResponse } from 'node:http';
import { bodyOf, type LoopbackServer, serveLoopback } from '../loopback.ts';

export interface Invocation {
  readonly requestId: string;
  /** JSON. */
  readonly event: string;
  readonly deadline: Date;
  readonly functionArn: string;
}

/** What a runtime does. */
export interface RuntimeEvents {
  /** It waits for work, which `send` gives it. */
  next(send: (invocation: Invocation) => void): void;
  /** Its INIT failed, with an error as JSON; it is about to end. */
  initError(error: string): void;
  /** It answered its invocation, or its handler threw; both are JSON. */
  answer(kind: 'response' | 'error', payload: string): void;
}

const BASE = '/2018-06-01/runtime/';
const ANSWER = /^invocation\/[^/]+\/(response|error)$/;

export function serveRuntimeApi(events: RuntimeEvents): Promise<LoopbackServer> {
  return serveLoopback(async (request, response) => {
    const path = request.url!.slice(BASE.length);
    if (path === 'invocation/next') return events.next((invocation) => sendInvocation(response, invocation));
    const body = (await bodyOf(request)).toString();
    response.writeHead(202).end();
    if (path === 'init/error') return events.initError(body);
    events.answer(ANSWER.exec(path)![1] as 'response' | 'error', body);
  });
}

function sendInvocation(response: ServerResponse, { requestId, event, deadline, functionArn }: Invocation): void {
  response
    .writeHead(200, {
      'content-type': 'application/json',
      'lambda-runtime-aws-request-id': requestId,
      'lambda-runtime-deadline-ms': deadline.getTime(),
      'lambda-runtime-invoked-function-arn': functionArn,
      'lambda-runtime-trace-id': 'Root=1-00000000-000000000000000000000000;Parent=0000000000000000;Sampled=0',
    })
    .end(event);
}
