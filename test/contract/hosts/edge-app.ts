// workerd, as it would serve: the edge bundle as it was built, the artifact and the kernels, all modules of the worker. A "picture" is its pixels.
import type { createEdgeApp } from '../../../runtime/hosts/edge.ts';

let app: ReturnType<typeof createEdgeApp> | undefined;

export default {
  async fetch(request: Request): Promise<Response> {
    return (await (app ??= start())).fetch(request);
  },
};

async function start(): ReturnType<typeof createEdgeApp> {
  const edge = await load<{ createEdgeApp: typeof createEdgeApp }>('./edge.mjs');
  const [{ default: artifact }, { default: kernels }] = await Promise.all([
    load<{ default: ArrayBuffer }>('./small.slim'),
    load<{ default: WebAssembly.Module }>('./simd128.wasm'),
  ]);
  return edge.createEdgeApp(new Uint8Array(artifact), kernels, async (data) => ({ height: 12, width: 20, data }));
}

async function load<Module>(file: string): Promise<Module> {
  return (await import(file)) as Module;
}
