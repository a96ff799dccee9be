/** HTTP servers of tests: on loopback, at a free port. */
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface LoopbackServer {
  /** Without a slash at the end. */
  readonly url: string;
  /** Stops listening and ends what is still connected. */
  close(): Promise<void>;
}

/**
 * Serves requests until closed. What a listener throws is no answer: it ends the connection, and fails the test run
 * unless the client went away.
 */
export async function serveLoopback(
  listener: (...args: Parameters<RequestListener>) => Promise<void>,
): Promise<LoopbackServer> {
  const server = createServer((request, response) => {
    void listener(request, response).catch((error: unknown) => {
      response.destroy();
      if (request.errored === null) throw error;
    });
  });
  await new Promise<void>((resolve, reject) => server.on('error', reject).listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
        server.closeAllConnections();
      }),
  };
}

/** A request's whole body. Throws where the client goes away before its end. */
export async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
