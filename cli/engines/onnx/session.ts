/** ONNX models on onnxruntime, native or WebAssembly: two packages with one programming interface. */
import { createRequire } from 'node:module';
import type * as ort from 'onnxruntime-node';
import type { DType } from '../../graph/graph.ts';
import type { BringingIo } from '../../setup/packages.ts';
import type { HostTensor } from '../engine.ts';
import { loadOnnxruntime } from './native.ts';

/** One of the two packages, loaded. */
export interface OnnxRuntime {
  readonly api: typeof ort;
  readonly provider: 'cpu' | 'wasm';
  /** Name and version, such as `onnxruntime-node 1.30.0`. */
  readonly description: string;
}

/** A model that is ready to run. Who opened it closes it. */
export interface OnnxSession {
  /** The outputs' values, by the names that they have in the model (`outputName`). */
  run(inputs: Readonly<Record<string, HostTensor>>): Promise<Readonly<Record<string, ort.Tensor['data']>>>;
  close(): Promise<void>;
}

/** A graph's dtypes as onnxruntime calls them. */
export const ORT_TYPES = { f32: 'float32', i32: 'int32', u8: 'uint8' } as const satisfies Record<
  DType,
  ort.Tensor.Type
>;

/** Options of every session of ours, on either runtime. */
export function sessionOptions(threads: number): ort.InferenceSession.SessionOptions {
  return { graphOptimizationLevel: 'all', intraOpNumThreads: threads, interOpNumThreads: 1, logSeverityLevel: 3 };
}

/** onnxruntime-node. @throws as `loadOnnxruntime` */
export async function nativeRuntime(io: BringingIo): Promise<OnnxRuntime> {
  const api = await loadOnnxruntime(io);
  return { api, provider: 'cpu', description: `onnxruntime-node ${api.env.versions.node}` };
}

/** onnxruntime-web; null where it is not installed, for it is optional. */
export function webRuntime(threads: number): OnnxRuntime | null {
  const require = createRequire(import.meta.url);
  try {
    require.resolve('onnxruntime-web');
  } catch {
    return null; // One that is installed but broken is an error below.
  }
  const api = require('onnxruntime-web') as typeof ort;
  api.env.wasm.numThreads = threads;
  return { api, provider: 'wasm', description: `onnxruntime-web ${api.env.versions.web}` };
}

/** Loads a model that `lowerToOnnx` wrote. */
export async function openSession(
  { api, provider }: OnnxRuntime,
  model: Uint8Array,
  threads: number,
): Promise<OnnxSession> {
  const session = await api.InferenceSession.create(model, {
    ...sessionOptions(threads),
    executionProviders: [provider],
  });
  return {
    async run(inputs) {
      const feeds = Object.entries(inputs).map(([name, { dtype, shape, data }]) => [
        name,
        new api.Tensor(ORT_TYPES[dtype], data, shape),
      ]);
      const outputs = await session.run(Object.fromEntries(feeds) as Record<string, ort.Tensor>);
      return Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, data]));
    },
    close: () => session.release(),
  };
}
