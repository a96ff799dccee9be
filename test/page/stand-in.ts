/** A small server that serves the built page as a real one does, and answers what a test wants it to. */
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { pagePolicy } from '../../runtime/http/page.ts';
import { projectFolder } from '../support/imports.ts';

export const html = readFileSync(`${projectFolder}dist/page.html`, 'utf8');

const policy = await pagePolicy(html);

export interface Reply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: unknown;
  /** Before the answer. */
  readonly waitMs?: number;
}

export interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

export interface StandIn {
  readonly url: string;
  /** Every request, in its order. */
  readonly asked: Asked[];
  /** What `/v1/model` and `/v1/predict` answer; functions see the request. */
  model: Reply | ((asked: Asked) => Reply);
  predict: Reply | ((asked: Asked) => Reply);
  close(): Promise<void>;
}

export function problem(status: number, detail: string, headers: Readonly<Record<string, string>> = {}): Reply {
  return {
    status,
    headers: { 'content-type': 'application/problem+json', 'x-request-id': 'req-1', ...headers },
    body: { type: 'about:blank', status, detail },
  };
}

export async function standIn(model: StandIn['model'], predict: StandIn['predict']): Promise<StandIn> {
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  const self: StandIn = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: [],
    model,
    predict,
    close,
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked: Asked = {
      method: request.method!,
      url: request.url!,
      headers: request.headers,
      body: await buffer(request),
    };
    self.asked.push(asked);
    const path = asked.url.split('?')[0];
    if (path === '/')
      return void response
        .writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': policy })
        .end(html);
    const reply =
      path === '/v1/model' ? self.model : path === '/v1/predict' ? self.predict : problem(404, `there is no ${path}`);
    const { status = 200, headers, body, waitMs = 0 } = typeof reply === 'function' ? reply(asked) : reply;
    await new Promise((resolve) => setTimeout(resolve, waitMs));
    response
      .writeHead(status, { 'content-type': 'application/json', ...headers })
      .end(typeof body === 'string' ? body : JSON.stringify(body));
  }
  return self;
}
