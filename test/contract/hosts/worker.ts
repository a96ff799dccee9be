// workerd: the request is an HTTP request's body. The kernels are modules of the worker: compiling bytes is forbidden
// there.
import { answer, type HostRequest } from './program.ts';

export default {
  async fetch(request: Request): Promise<Response> {
    const body = (await request.json()) as HostRequest;
    return Response.json(
      await answer(body, async (build) => {
        const file = `./${build}.wasm`;
        return ((await import(file)) as { default: WebAssembly.Module }).default;
      }),
    );
  },
};
