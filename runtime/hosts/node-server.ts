import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { createAdaptorServer, type Http2Bindings, type HttpBindings } from '@hono/node-server';
import type { RequestFacts } from '../http/app.ts';
import { Problem, type ProblemStatus, problemDetails } from '../http/problem.ts';

/** Anything with a fetch handler: a Hono app. */
export interface FetchApp {
  fetch(request: Request, facts: RequestFacts): Response | Promise<Response>;
}

/** Where a server listens, and whom it believes. */
export interface ListenOptions {
  /** 0: any free port. */
  readonly port: number;
  /** 127.0.0.1 unless given: this machine only. */
  readonly host?: string;
  /**
   * Take a client's address from the last one in X-Forwarded-For, which the proxy in front adds. Without a proxy,
   * clients could choose it.
   */
  readonly trustProxy?: boolean;
}

/** A server that listens. Who started it closes it. */
export interface RunningServer {
  /** Where it listens, without a slash at the end. */
  readonly url: string;
  /** Stops accepting, lets running requests finish for up to `graceMs` (5 s unless given), then cuts them off. */
  close(graceMs?: number): Promise<void>;
}

/**
 * Clients that send slowly or not at all keep a socket, never more: headers have to be there after 10 s, bodies after
 * 60 s. An idle connection is kept for longer than the 60 s that load balancers keep theirs, so that none of them sends
 * into a closing one.
 */
const TIMEOUTS = {
  headersTimeout: 10_000,
  requestTimeout: 60_000,
  keepAliveTimeout: 65_000,
  connectionsCheckingInterval: 2000,
};

/** Serves the app over HTTP. Rejects with a sentence where the port is taken or not allowed. */
export async function serve(
  app: FetchApp,
  { port, host = '127.0.0.1', trustProxy = false }: ListenOptions,
): Promise<RunningServer> {
  const server = createAdaptorServer({
    fetch: (request: Request, { incoming }: HttpBindings | Http2Bindings) =>
      app.fetch(request, { client: clientOf(incoming, trustProxy) }),
    createServer,
    serverOptions: TIMEOUTS,
  }) as Server;
  server.on('clientError', refuseMalformed);
  await listen(server, port, host);
  const { port: actualPort } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${actualPort}`,
    close: (graceMs) => close(server, graceMs),
  };
}

function clientOf(
  { headers, socket }: HttpBindings['incoming'] | Http2Bindings['incoming'],
  trustProxy: boolean,
): string | undefined {
  const forwarded = trustProxy ? [headers['x-forwarded-for']].flat().at(-1)?.split(',').at(-1)?.trim() : undefined;
  return forwarded ?? socket.remoteAddress;
}

/**
 * What Node's parser refuses never becomes a request; the client is told as of any other problem, where it still
 * listens.
 */
const MALFORMED: Readonly<Record<string, readonly [status: ProblemStatus, detail: string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'the request did not come in time'],
  HPE_HEADER_OVERFLOW: [431, 'the headers are too large'],
};

function refuseMalformed(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (!socket.writable) return void socket.destroy();
  const [status, detail] = MALFORMED[error.code ?? ''] ?? [400, 'this is no HTTP request'];
  const body = JSON.stringify(problemDetails(new Problem(status, detail)));
  const head = [
    `HTTP/1.1 ${status} `,
    'Connection: close',
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  socket.end([...head, '', body].join('\r\n'));
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, port, host)));
    server.listen(port, host, resolve);
  });
}

function listenError(error: NodeJS.ErrnoException, port: number, host: string): Error {
  switch (error.code) {
    case 'EADDRINUSE':
      return new Error(`port ${port} on ${host} is in use: choose another, or 0 for any free one`, { cause: error });
    case 'EACCES':
      return new Error(`port ${port} may not be opened by this user: choose one above 1023`, { cause: error });
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new Error(`${host} is no address of this machine: choose another host, or 0.0.0.0 for all`, {
        cause: error,
      });
    default:
      return error;
  }
}

function close(server: Server, graceMs = 5000): Promise<void> {
  return new Promise((resolve) => {
    const cutOff = setTimeout(() => server.closeAllConnections(), graceMs);
    // A kept-alive connection goes idle only when its last answer is out, so looking once is not enough.
    const sweep = setInterval(() => server.closeIdleConnections(), 20);
    server.close(() => {
      clearTimeout(cutOff);
      clearInterval(sweep);
      resolve();
    });
  });
}
