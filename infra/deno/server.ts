// Deno: `deno run --no-prompt --allow-net --allow-env --allow-read=. --unstable-no-legacy-abort server.mjs`. Without
// the last flag, a request's signal is aborted when it is answered, too.
import { clientOf } from '../server/client.ts';
import { runServer } from '../server/run.ts';

/** https://docs.deno.com/api/deno/~/Deno.serve, the part that is used. */
declare const Deno: {
  serve(
    options: { readonly port: number; readonly hostname: string; readonly signal: AbortSignal; onListen(): void },
    handler: (
      request: Request,
      info: { readonly remoteAddr: { readonly hostname: string } },
    ) => Response | Promise<Response>,
  ): {
    readonly addr: { readonly hostname: string; readonly port: number };
    /** Takes no more connections; resolves when running requests are answered. */
    shutdown(): Promise<void>;
  };
};

await runServer((app, { port, host, trustProxy }) => {
  const cutOff = new AbortController();
  const server = Deno.serve(
    { port, hostname: host, signal: cutOff.signal, onListen: () => undefined },
    (request, { remoteAddr }) => app.fetch(request, { client: clientOf(request, remoteAddr.hostname, trustProxy) }),
  );
  const { addr } = server;
  return {
    url: `http://${addr.hostname.includes(':') ? `[${addr.hostname}]` : addr.hostname}:${addr.port}`,
    close(graceMs) {
      setTimeout(() => cutOff.abort(), graceMs);
      return server.shutdown();
    },
  };
});
