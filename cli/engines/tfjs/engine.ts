/**
 * The graph as tfjs calls: on CUDA with @tensorflow/tfjs-node-gpu, natively on the CPU with @tensorflow/tfjs-node, and
 * on WebAssembly where neither is here. It interprets node by node and frees each value after its last use.
 */
import { dirname, join } from 'node:path';
import { type DType, type Graph, type Node, topological } from '../../graph/graph.ts';
import { inputName } from '../../graph/ops/leaf.ts';
import type { Tfjs, TfjsTensor } from '../../graph/targets.ts';
import { UserError } from '../../io/errors.ts';
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
import { hasHardware } from '../xla/plugins.ts';
import {
  type FoundTensorflow,
  loadTensorflow,
  TENSORFLOW_SETUP,
  TFJS_NODE,
  type TfjsDevice,
  tensorflowFolder,
  tensorflowFor,
} from './tensorflow.ts';

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

/** A tfjs whose backend has started. */
interface Runtime {
  readonly tf: Tfjs;
  readonly description: string;
}

/** Who has been told that WebAssembly computes: once is enough. */
const told = new WeakSet<BringingIo['stderr']>();

/**
 * The second engine: the same nodes as tfjs operations, on TensorFlow where it is here, else on WebAssembly, of which a
 * warning tells.
 * @throws UserError where what is here does not load, or there is none for `cuda`; Interrupted
 */
export async function createTfjsEngine({ device }: { device: TfjsDevice }, io: BringingIo): Promise<Engine> {
  const found = tensorflowFor(device);
  if (found !== null) return createTensorflowEngine(found, device);
  if (device === 'cuda')
    throw new UserError(
      `--device cuda --engine tfjs: ${TFJS_NODE.gpu} is not here: neither in ${tensorflowFolder('gpu')} nor beside slim`,
      `${TENSORFLOW_SETUP.gpu} brings it.`,
    );
  if (!told.has(io.stderr))
    io.stderr.write(
      `warning: tfjs computes on WebAssembly, some 10 times slower than on TensorFlow: ${TENSORFLOW_SETUP.cpu} brings that\n`,
    );
  told.add(io.stderr);
  return createWasmEngine(io);
}

/** tfjs on a TensorFlow that was found. @throws UserError where it does not load, or finds no GPU for `cuda` */
export async function createTensorflowEngine(found: FoundTensorflow, device: TfjsDevice): Promise<Engine> {
  const loaded = await loadTensorflow(found);
  if (device === 'cuda' && !loaded.usesGpu)
    throw new UserError(
      `--device cuda --engine tfjs: TensorFlow in ${found.folder} finds no GPU`,
      'Does nvidia-smi see one? In a container: docker run --gpus all. Its errors stand above.',
    );
  const couldUseGpu = device === 'auto' && found.variant === 'cpu' && hasHardware('cuda');
  const idle = couldUseGpu ? `; ${TENSORFLOW_SETUP.gpu} lets the cuda device compute` : '';
  return engineOn({ ...loaded, description: loaded.description + idle });
}

/** tfjs on WebAssembly, brought on first use where it is not installed. @throws UserError, Interrupted */
export async function createWasmEngine(io: BringingIo): Promise<Engine> {
  const { require } = await requirePackages('tfjs', io);
  const tf = require('@tensorflow/tfjs') as Tfjs;
  const { setWasmPaths } = require('@tensorflow/tfjs-backend-wasm') as typeof import('@tensorflow/tfjs-backend-wasm');
  setWasmPaths(join(dirname(require.resolve('@tensorflow/tfjs-backend-wasm')), '/'));
  if (!(await tf.setBackend('wasm'))) throw new EngineError('tfjs: its WebAssembly backend did not start');
  await tf.ready();
  return engineOn({ tf, description: `tfjs ${tf.version.tfjs} (wasm)` });
}

function engineOn({ tf, description }: Runtime): Engine {
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
