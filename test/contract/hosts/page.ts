// A browser's page: the kernels are fetched and compiled while they come.
import { answer, type HostAnswer, type HostRequest } from './program.ts';

declare global {
  /** What the test calls. */
  var answerOfPage: (request: HostRequest) => Promise<HostAnswer>;
}

globalThis.answerOfPage = (request) =>
  answer(request, (build) => WebAssembly.compileStreaming(fetch(`/${build}.wasm`)));
