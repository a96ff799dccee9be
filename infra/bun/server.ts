// Bun: `bun server.mjs`.
import { clientOf } from '../server/client.ts';
import { runServer } from '../server/run.ts';

/** https://bun.com/docs/runtime/http/server, the part that is used. */
interface BunServer {
  readonly url: URL;
  requestIP(request: Request): { readonly address: string } | null;
  /** Takes no more connections; resolves when the open ones have ended. `true` ends them. */
  stop(now?: boolean): Promise<void>;
}

declare const Bun: {
  serve(options: {
    readonly port: number;
    readonly hostname: string;
    /** Seconds without a byte. */
    readonly idleTimeout: number;
    readonly maxRequestBodySize: number;
    /** Whether errors are told as pages with stack traces. */
    readonly development: boolean;
    fetch(request: Request, server: BunServer): Response | Promise<Response>;
  }): BunServer;
};

await runServer((app, { port, host, trustProxy }) => {
  const server = Bun.serve({
    port,
    hostname: host,
    idleTimeout: 65,
    maxRequestBodySize: Number.MAX_SAFE_INTEGER, // the app refuses what is too large, with problem details
    development: false,
    fetch: (request, bun) =>
      app.fetch(request, { client: clientOf(request, bun.requestIP(request)?.address, trustProxy) }),
  });
  return {
    url: server.url.origin,
    close: (graceMs) => Promise.race([server.stop(), after(graceMs).then(() => server.stop(true))]),
  };
});

function after(ms = 0): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
