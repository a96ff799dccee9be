/**
 * The graph as tfjs calls: on CUDA with @tensorflow/tfjs-node-gpu, natively on the CPU with @tensorflow/tfjs-node, and
 * on WebAssembly where neither is installed. It interprets node by node and frees each value after its last use.
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { type DType, type Graph, type Node, topological } from '../../graph/graph.ts';
import { inputName } from '../../graph/ops/leaf.ts';
import type { Tfjs, TfjsTensor } from '../../graph/targets.ts';
import { type BringingIo, requirePackages } from '../../setup/packages.ts';
import {
  type DeviceTensor,
  type Engine,
  EngineError,
  type HostTensor,
  type HostValues,
  type Inputs,
  type Outputs,
  type Program,
} from '../engine.ts';
import { loweredInputs, lowerNode } from '../lowering.ts';

/** tfjs has no bytes: they lie as int32. */
const TFJS_TYPES = { f32: 'float32', i32: 'int32', u8: 'int32' } as const satisfies Record<DType, string>;

class TfjsDeviceTensor implements DeviceTensor {
  readonly tensor: TfjsTensor;
  readonly dtype: DType;

  constructor(tensor: TfjsTensor, dtype: DType) {
    this.tensor = tensor;
    this.dtype = dtype;
  }

  get shape(): readonly number[] {
    return this.tensor.shape;
  }

  async read(): Promise<HostValues> {
    const values = (await this.tensor.data()) as Float32Array | Int32Array;
    return this.dtype === 'u8' ? Uint8Array.from(values) : values;
  }

  dispose(): void {
    this.tensor.dispose();
  }
}

/** The best tfjs that loads: GPU, native CPU, then WebAssembly (which @tensorflow/tfjs-backend-wasm brings along). */
async function loadTfjs(gpu: boolean, io: BringingIo): Promise<{ tf: Tfjs; description: string }> {
  const require = createRequire(import.meta.url);
  for (const name of [...(gpu ? ['@tensorflow/tfjs-node-gpu'] : []), '@tensorflow/tfjs-node']) {
    try {
      require.resolve(name);
    } catch {
      continue; // Not installed: both are optional. One that is installed but broken is an error below.
    }
    const tf = require(name) as Tfjs;
    await tf.ready();
    return { tf, description: `tfjs ${tf.version.tfjs} (${name})` };
  }
  const { require: brought } = await requirePackages('tfjs', io);
  const tf = brought('@tensorflow/tfjs') as Tfjs;
  const { setWasmPaths } = brought('@tensorflow/tfjs-backend-wasm') as typeof import('@tensorflow/tfjs-backend-wasm');
  setWasmPaths(join(dirname(brought.resolve('@tensorflow/tfjs-backend-wasm')), '/'));
  if (!(await tf.setBackend('wasm'))) throw new EngineError('tfjs: its WebAssembly backend did not start');
  await tf.ready();
  return { tf, description: `tfjs ${tf.version.tfjs} (wasm)` };
}

/** The second engine: the same nodes as tfjs operations. `gpu: false` passes tfjs-node-gpu over. */
export async function createTfjsEngine({ gpu }: { gpu: boolean }, io: BringingIo): Promise<Engine> {
  const { tf, description } = await loadTfjs(gpu, io);
  const upload = ({ dtype, shape, data }: HostTensor): TfjsDeviceTensor =>
    new TfjsDeviceTensor(tf.tensor(data, [...shape], TFJS_TYPES[dtype]), dtype);
  return {
    name: 'tfjs',
    precision: 'f32',
    description,
    upload,
    compile: async (graph, { constants = {} } = {}) =>
      interpret(
        tf,
        graph,
        Object.fromEntries(Object.entries(constants).map(([name, tensor]) => [name, upload(tensor)])),
      ),
    dispose: async () => {},
  };
}

const interpretedInputs = loweredInputs('tfjs');

function interpret(tf: Tfjs, graph: Graph, constants: Inputs): Program {
  const outputs = Object.entries(graph.outputs);
  const order = topological(Object.values(graph.outputs), interpretedInputs);
  const lastUse = new Map<Node, number>();
  order.forEach((node, step) => interpretedInputs(node).forEach((x) => lastUse.set(x, step)));
  for (const [, node] of outputs) lastUse.set(node, Infinity);
  const freedAfter = order.map((_, step) =>
    [...new Set(interpretedInputs(order[step]))].filter((x) => lastUse.get(x) === step),
  );

  const run = (given: Inputs): Outputs => {
    const values = new Map<Node, TfjsTensor>();
    order.forEach((node, step) => {
      values.set(node, compute(tf, node, values, given));
      for (const x of freedAfter[step]) values.get(x)!.dispose();
    });
    // A clone shares the memory and has a life of its own: two outputs may be one value.
    const results = outputs.map(
      ([name, node]) => [name, new TfjsDeviceTensor(tf.clone(values.get(node)!), node.dtype)] as const,
    );
    for (const node of new Set(outputs.map(([, node]) => node))) values.get(node)!.dispose();
    return Object.fromEntries(results);
  };
  return {
    run: async (given) => run({ ...given, ...constants }),
    async dispose() {
      for (const tensor of Object.values(constants)) tensor.dispose();
    },
  };
}

function compute(tf: Tfjs, node: Node, values: ReadonlyMap<Node, TfjsTensor>, given: Inputs): TfjsTensor {
  const name = inputName(node);
  if (name !== null) {
    const tensor = given[name];
    if (!(tensor instanceof TfjsDeviceTensor)) throw new EngineError(`tfjs: input ${name} is missing`);
    return tf.clone(tensor.tensor);
  }
  const { tfjs } = node.operation;
  const value = lowerNode('tfjs', node, values, (inputs) => tf.tidy(() => tfjs!(tf, inputs, node)));
  // The value of an expansion has a life of its own.
  return tfjs ? value : tf.clone(value);
}
