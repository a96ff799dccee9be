/**
 * Cloudflare Workers: the web API of an artifact in an isolate. What it needs beside its code are modules of the
 * worker, since workerd compiles no WebAssembly from bytes. Counts and rate limits are those of one isolate; Cloudflare
 * runs many.
 */
import type { Artifact } from '../../runtime/artifact/artifact.ts';
import { ISOLATE, pictureLimits } from '../../runtime/hosts/memory.ts';
import type { ModelInput } from '../../runtime/hosts/model-input.ts';
import { optionsFrom } from '../../runtime/hosts/settings.ts';
import { createTaskClassifier } from '../../runtime/hosts/task-classifier.ts';
import { type App, createApp } from '../../runtime/http/app.ts';
import type { Classifier } from '../../runtime/http/classifier.ts';
import { jsquashDecoders } from '../../runtime/preprocess/jsquash-decoders.ts';
// Adds products up in pairs, as Node does where the processor does not tell (runtime/hosts/node.ts).
import kernels from './kernels-relaxed-pairs.wasm';
import page from './page.html';

/** What workerd calls: a module's default export. */
export interface Worker<Env> {
  fetch(request: Request, env: Env, context: ExecutionContext): Promise<Response>;
}

interface ExecutionContext {
  waitUntil(promise: Promise<unknown>): void;
}

/** Imported when the first picture of a format comes: workers for texts are deployed without. */
const decoders = jsquashDecoders({
  jpeg: async () => (await import('./codec-jpeg.wasm')).default,
  png: async () => (await import('./codec-png.wasm')).default,
  webp: async () => (await import('./codec-webp.wasm')).default,
});

/** An app, and when its model is loaded or has failed to. */
interface Started {
  readonly app: App;
  readonly settled: Promise<void>;
}

/**
 * A worker of the artifact that `artifactOf` gives. The model is loaded when the first request comes: until then there
 * is no environment, and tokenizers can't be inflated. Requests that come meanwhile wait. Where it fails they are told
 * 503, and the next one tries again.
 */
export function createWorker<Env extends object>(artifactOf: (env: Env) => Artifact | Promise<Artifact>): Worker<Env> {
  let started: Started | undefined;
  const load = async (env: Env): Promise<Classifier<ModelInput>> => {
    const artifact = await artifactOf(env);
    return createTaskClassifier(artifact, kernels, decoders, pictureLimits(artifact, ISOLATE));
  };
  const start = (env: Env): Started => {
    const loading = load(env);
    const app = createApp(loading, { ...optionsFrom(env as Record<string, string | undefined>), page, log: write });
    const settled = loading.then(
      () => undefined,
      (error: Error) => {
        started = undefined;
        write({ time: new Date().toISOString(), level: 'error', message: error.message });
      },
    );
    return { app, settled };
  };
  return {
    async fetch(request, env, context) {
      const { app, settled } = (started ??= start(env));
      context.waitUntil(settled); // for the others, should this client leave
      await settled;
      return app.fetch(request, { client: request.headers.get('cf-connecting-ip') ?? undefined });
    },
  };
}

function write(entry: object): void {
  console.log(JSON.stringify(entry));
}
