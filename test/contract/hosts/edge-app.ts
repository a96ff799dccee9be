// workerd, as it would serve: the edge bundle as it was built, the artifact and the kernels, all modules of the worker.
// A "picture" is its pixels.
import type { createEdgeHandler } from '../../../runtime/hosts/edge.ts';

let handler: ReturnType<typeof createEdgeHandler> | undefined;

export default {
  async fetch(request: Request): Promise<Response> {
    return (await (handler ??= start()))(request);
  },
};

async function start(): ReturnType<typeof createEdgeHandler> {
  const edge = await load<{ createEdgeHandler: typeof createEdgeHandler }>('./edge.mjs');
  const [{ default: artifact }, { default: kernels }] = await Promise.all([
    load<{ default: ArrayBuffer }>('./small.slim'),
    load<{ default: WebAssembly.Module }>('./simd128.wasm'),
  ]);
  return edge.createEdgeHandler(new Uint8Array(artifact), kernels, async (data) => ({ height: 12, width: 20, data }));
}

async function load<Module>(file: string): Promise<Module> {
  return (await import(file)) as Module;
}
