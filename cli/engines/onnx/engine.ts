/** The graph on onnxruntime-node. */
import { availableParallelism } from 'node:os';
import type * as ort from 'onnxruntime-node';
import type { DType, Graph } from '../../graph/graph.ts';
import { inputName } from '../../graph/ops/leaf.ts';
import type { BringingIo } from '../../setup/packages.ts';
import {
  type CompileOptions,
  type DeviceTensor,
  type Engine,
  EngineError,
  type HostTensor,
  type HostValues,
  type Inputs,
  type Outputs,
  type Program,
} from '../engine.ts';
import { lowerToOnnx, outputName } from './lower.ts';
import { loadOnnxruntime } from './native.ts';
import { ORT_TYPES, sessionOptions } from './session.ts';

class OnnxTensor implements DeviceTensor {
  readonly tensor: ort.Tensor;
  readonly dtype: DType;

  constructor(tensor: ort.Tensor, dtype: DType) {
    this.tensor = tensor;
    this.dtype = dtype;
  }

  get shape(): readonly number[] {
    return this.tensor.dims;
  }

  async read(): Promise<HostValues> {
    return (await this.tensor.getData()) as HostValues;
  }

  dispose(): void {
    this.tensor.dispose();
  }
}

/** How onnxruntime computes. */
export interface OnnxOptions {
  /** Threads inside an operation; all processors unless given. */
  readonly threads?: number;
}

/**
 * The default engine. Weights are inputs, not initializers: they stay in the one array that was uploaded, where an
 * initializer would be copied into each session and packed again for each product that reads it.
 * @throws as `loadOnnxruntime`
 */
export async function createOnnxEngine(
  { threads = availableParallelism() }: OnnxOptions,
  io: BringingIo,
): Promise<Engine> {
  const api = await loadOnnxruntime(io);
  return {
    name: 'onnx',
    precision: 'f32',
    description: `onnxruntime ${api.env.versions.common} (cpu, ${threads} thread${threads === 1 ? '' : 's'})`,
    upload: ({ dtype, shape, data }: HostTensor) =>
      new OnnxTensor(new api.Tensor(ORT_TYPES[dtype], data, shape), dtype),
    compile: (graph, options = {}) => compile(api, graph, options, threads),
    dispose: async () => {},
  };
}

async function compile(
  api: typeof ort,
  graph: Graph,
  { constants, takesTurns = false }: CompileOptions,
  threads: number,
): Promise<Program> {
  const { bytes, inputs } = lowerToOnnx(graph, { constants });
  const session = await api.InferenceSession.create(bytes, {
    ...sessionOptions(threads),
    enableCpuMemArena: !takesTurns,
    executionProviders: ['cpu'],
  });
  const names = inputs.map((node) => inputName(node)!);
  return {
    async run(given: Inputs): Promise<Outputs> {
      const feeds: Record<string, ort.Tensor> = {};
      for (const name of names) {
        const tensor = given[name];
        if (!(tensor instanceof OnnxTensor)) throw new EngineError(`onnx: input ${name} is missing`);
        feeds[name] = tensor.tensor;
      }
      const results = await session.run(feeds);
      return Object.fromEntries(
        Object.entries(graph.outputs).map(([name, { dtype }]) => [
          name,
          new OnnxTensor(results[outputName(name)], dtype),
        ]),
      );
    },
    dispose: () => session.release(),
  };
}
