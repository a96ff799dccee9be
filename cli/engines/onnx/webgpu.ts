/**
 * The graph on onnxruntime-node's WebGPU provider: Metal on macOS, D3D12 on Windows, Vulkan on Linux. What a run gives
 * stays in the device's memory and goes into the next one from there; weights are sent there once.
 */
import type * as ort from 'onnxruntime-node';
import type { DType, Graph, Shape } from '../../graph/graph.ts';
import { inputName } from '../../graph/ops/leaf.ts';
import { messageOf, UserError } from '../../io/errors.ts';
import type { BringingIo } from '../../setup/packages.ts';
import {
  type CompileOptions,
  type DeviceTensor,
  type Engine,
  EngineError,
  type HostTensor,
  type Inputs,
  OutOfMemoryError,
  type Outputs,
  type Program,
} from '../engine.ts';
import { lowerToOnnx, outputName, writeCopyModel } from './lower.ts';
import { loadOnnxruntime } from './native.ts';
import { ORT_TYPES } from './session.ts';

type Session = ort.InferenceSession;
type Location = 'cpu' | 'gpu-buffer';

/** Moves tensors of any shape, to the device or from it. */
interface Copier {
  copy(tensor: ort.Tensor, dtype: DType, to: Location): Promise<ort.Tensor>;
  dispose(): Promise<void>;
}

/** The largest input that goes along with each run: scalars, labels. What is larger is sent once and stays. */
const SENT_WITH_RUN = 1024;

/** Values where they were last needed: on the host as they were given, on the device from their first run on. */
class WebgpuTensor implements DeviceTensor {
  readonly dtype: DType;
  readonly shape: Shape;
  private readonly copier: Copier;
  private place: Promise<ort.Tensor>;

  constructor(tensor: ort.Tensor, dtype: DType, copier: Copier) {
    this.dtype = dtype;
    this.shape = tensor.dims;
    this.copier = copier;
    this.place = Promise.resolve(tensor);
  }

  /** The tensor as a run takes it. */
  feed(): Promise<ort.Tensor> {
    this.place = this.place.then((tensor) =>
      tensor.location === 'cpu' && tensor.size > SENT_WITH_RUN
        ? this.copier.copy(tensor, this.dtype, 'gpu-buffer')
        : tensor,
    );
    return this.place;
  }

  async read(): Promise<Float32Array | Int32Array> {
    const tensor = await this.place;
    // onnxruntime-node has no download of its own: a program whose output lies on the host is one.
    const here = tensor.location === 'cpu' ? tensor : await this.copier.copy(tensor, this.dtype, 'cpu');
    return here.data as Float32Array | Int32Array;
  }

  dispose(): void {
    // A tensor that could not be moved has failed the run that wanted it.
    this.place.then((tensor) => tensor.dispose()).catch(() => undefined);
  }
}

/**
 * The onnx engine on a GPU, through WebGPU. Nothing in it computes on the CPU: a graph with an operation that the
 * provider lacks is refused when it is compiled.
 * @throws UserError where there is no adapter; as `loadOnnxruntime`
 */
export async function createWebgpuEngine(io: BringingIo): Promise<Engine> {
  const api = await loadOnnxruntime(io);
  const copier = await createCopier(api);
  return {
    name: 'onnx',
    precision: 'f32',
    description: `onnxruntime ${api.env.versions.common} (webgpu)`,
    upload: ({ dtype, shape, data }: HostTensor) =>
      new WebgpuTensor(new api.Tensor(ORT_TYPES[dtype], data, shape), dtype, copier),
    compile: (graph, options = {}) => compile(api, graph, options, copier),
    dispose: () => copier.dispose(),
  };
}

async function openSession(api: typeof ort, bytes: Uint8Array, outputs: Location): Promise<Session> {
  return api.InferenceSession.create(bytes, {
    graphOptimizationLevel: 'all',
    // 4: fatal. Its errors are thrown, too.
    logSeverityLevel: 4,
    // Sizes never change, so that what was released fits again; the default rounds them up.
    executionProviders: [{ name: 'webgpu', storageBufferCacheMode: 'simple' }],
    preferredOutputLocation: outputs,
    // Else onnxruntime gives the CPU, silently, what the provider can't compute.
    extra: { session: { disable_cpu_ep_fallback: '1' } },
  });
}

/** @throws UserError where no adapter opens: the copying programs are the first that want one */
async function createCopier(api: typeof ort): Promise<Copier> {
  const sessions = new Map<string, Session>();
  try {
    for (const dtype of ['f32', 'i32'] as const)
      for (const to of ['gpu-buffer', 'cpu'] as const)
        sessions.set(`${dtype} ${to}`, await openSession(api, writeCopyModel(dtype), to));
  } catch (error) {
    throw withoutAdapter(error);
  }
  return {
    async copy(tensor, dtype, to) {
      const { y } = await sessions.get(`${dtype} ${to}`)!.run({ x: tensor });
      return y;
    },
    async dispose() {
      for (const session of sessions.values()) await session.release();
    },
  };
}

/** What `--device webgpu` says where the device can't be opened. */
function withoutAdapter(error: unknown): UserError {
  const library = {
    linux: "On Linux it needs Vulkan: the GPU's driver and the loader (sudo apt-get install libvulkan1).",
    darwin: 'On macOS it needs Metal, which virtual machines often lack.',
    win32: "On Windows it needs D3D12: update the GPU's driver.",
  }[process.platform as string];
  return new UserError(
    `--device webgpu: no adapter opens: ${firstLine(messageOf(error))}`,
    `${library ?? ''} Or compute on the CPU: --device cpu.`.trim(),
  );
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0];
}

async function compile(api: typeof ort, graph: Graph, { constants }: CompileOptions, copier: Copier): Promise<Program> {
  const { bytes, inputs } = lowerToOnnx(graph, constants);
  const session = await openSession(api, bytes, 'gpu-buffer').catch((error: unknown) => {
    throw new EngineError(`onnx on webgpu can't compute this graph: ${firstLine(messageOf(error))}`);
  });
  const names = inputs.map((node) => inputName(node)!);
  return {
    async run(given: Inputs): Promise<Outputs> {
      const feeds: Record<string, ort.Tensor> = {};
      for (const name of names) {
        const tensor = given[name];
        if (!(tensor instanceof WebgpuTensor)) throw new EngineError(`onnx: input ${name} is missing`);
        feeds[name] = await tensor.feed();
      }
      const results = await session.run(feeds).catch((error: unknown) => {
        const message = firstLine(messageOf(error));
        throw /out of memory|exceeds the max buffer size/i.test(message) ? new OutOfMemoryError(message, null) : error;
      });
      return Object.fromEntries(
        Object.entries(graph.outputs).map(([name, { dtype }]) => [
          name,
          new WebgpuTensor(results[outputName(name)], dtype, copier),
        ]),
      );
    },
    dispose: () => session.release(),
  };
}
