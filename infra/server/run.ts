/**
 * A server of the artifact that lies beside it, for hosts with files and threads: Node, Bun and Deno differ in how they
 * listen. It writes JSON lines to stdout: one when it listens, one when the model is loaded, one for each request, one
 * when it fails to start.
 */
import { readFile } from 'node:fs/promises';
import { loadArtifact, loadKernels } from '../../runtime/hosts/node.ts';
import { createClassifierPool } from '../../runtime/hosts/node-pool.ts';
import { processGauges, QUEUE_PER_WORKER } from '../../runtime/hosts/node-process.ts';
import type { FetchApp, ListenOptions, RunningServer } from '../../runtime/hosts/node-server.ts';
import { optionsFrom } from '../../runtime/hosts/settings.ts';
import { createApp } from '../../runtime/http/app.ts';
import { processSettings } from './settings.ts';

/** How a host serves an app. */
export type Listen = (app: FetchApp, options: Required<ListenOptions>) => RunningServer | Promise<RunningServer>;

/** Running requests get so long to finish. Docker kills 10 s after it asked to stop. */
const GRACE_MS = 8000;

const here = new URL('.', import.meta.url);

/**
 * Serves until SIGTERM or SIGINT, then lets running requests finish; the process ends with it. Exits with 1 where it
 * can't start.
 */
export async function runServer(listen: Listen): Promise<void> {
  try {
    const stopping = stopSignal();
    const { workers, ...address } = processSettings(process.env);
    const page = await readFile(new URL('page.html', here), 'utf8');
    const loading = Promise.all([loadArtifact(new URL('model.slim', here)), loadKernels(here)]).then(
      ([artifact, kernels]) =>
        createClassifierPool(artifact, kernels, {
          workers,
          assets: here,
          workerFile: new URL('classifier-worker.mjs', here),
        }),
    );
    const app = createApp(loading, {
      ...optionsFrom(process.env),
      page,
      maxPending: workers * (1 + QUEUE_PER_WORKER),
      log: write,
      gauges: processGauges,
    });
    const server = await listen(app, address);
    tell('info', 'listening', { url: server.url });
    await Promise.race([loading.then(() => tell('info', 'ready')), stopping]);
    await stopping;
    await server.close(GRACE_MS);
    process.exit(0); // and threads that are still at work
  } catch (error) {
    tell('error', error instanceof Error ? error.message : String(error));
    process.exit(1);
  }
}

/**
 * Asked for before anything else: the first process of a container ignores signals that nobody handles. A second one
 * ends the process at once.
 */
function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
  });
}

function tell(level: 'info' | 'error', message: string, facts: Readonly<Record<string, string>> = {}): void {
  write({ time: new Date().toISOString(), level, message, ...facts });
}

function write(entry: object): void {
  console.log(JSON.stringify(entry));
}
