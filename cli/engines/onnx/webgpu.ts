/**
 * The graph on onnxruntime-node's WebGPU provider: Metal on macOS, D3D12 on Windows, Vulkan on Linux. What a run gives
 * stays in the device's memory and goes into the next one from there; weights are sent there once.
 */
import type * as ort from 'onnxruntime-node';
import type { Graph } from '../../graph/graph.ts';
import { inputName } from '../../graph/ops/leaf.ts';
import { messageOf, UserError } from '../../io/errors.ts';
import type { BringingIo } from '../../setup/packages.ts';
import { endAtOnce } from '../end-at-once.ts';
import {
  type CompileOptions,
  type Engine,
  EngineError,
  type HostTensor,
  type Inputs,
  OutOfMemoryError,
  type Outputs,
  type Program,
} from '../engine.ts';
import { Retained } from '../retained.ts';
import { lowerToOnnx, outputName, writeCopyModel } from './lower.ts';
import { loadOnnxruntime } from './native.ts';
import { ORT_TYPES } from './session.ts';
import { type Held, homeOf, type Location, type Move, WebgpuTensor } from './webgpu-tensor.ts';

type Feeds = Readonly<Record<string, ort.Tensor>>;

/** Programs that move tensors: onnxruntime-node can neither upload nor download a buffer by itself. */
interface Mover {
  readonly move: Move;
  dispose(): Promise<void>;
}

/**
 * The onnx engine on a GPU, through WebGPU. Nothing in it computes on the CPU: a graph with an operation that the
 * provider lacks is refused when it is compiled.
 * @throws UserError where there is no adapter; as `loadOnnxruntime`
 */
export async function createWebgpuEngine(io: BringingIo): Promise<Engine> {
  const api = await loadOnnxruntime(io);
  const { move, dispose } = await createMover(api);
  endAtOnceFromNowOn();
  return {
    name: 'onnx',
    precision: 'f32',
    description: `onnxruntime ${api.env.versions.common} (webgpu)`,
    upload: ({ dtype, shape, data }: HostTensor) =>
      new WebgpuTensor(
        { tensor: new api.Tensor(ORT_TYPES[dtype], data, shape), release: () => undefined },
        dtype,
        move,
      ),
    compile: (graph, options = {}) => compile(api, graph, options, move),
    dispose,
  };
}

let endsAtOnce = false;

/**
 * Runs return while the device still computes, and a process that exits then takes the driver apart under its threads,
 * which crashes: seen with SwiftShader each time. Windows has no `_exit` that leaves libraries alone.
 */
function endAtOnceFromNowOn(): void {
  if (endsAtOnce || process.platform === 'win32') return;
  endsAtOnce = true;
  process.on('exit', endAtOnce);
}

type OutputLocations = Location | Readonly<Record<string, Location>>;

async function openSession(api: typeof ort, bytes: Uint8Array, outputs: OutputLocations): Promise<Session> {
  const session = await api.InferenceSession.create(bytes, {
    graphOptimizationLevel: 'all',
    // 4: fatal. Its errors are thrown, too.
    logSeverityLevel: 4,
    // Sizes never change, so that what was released fits again; the default rounds them up.
    executionProviders: [{ name: 'webgpu', storageBufferCacheMode: 'simple' }],
    preferredOutputLocation: outputs,
    // Else onnxruntime gives the CPU, silently, what the provider can't compute.
    extra: { session: { disable_cpu_ep_fallback: '1' } },
  });
  return new Session(session);
}

/**
 * A session that is released only when its runs are over and their outputs disposed of: onnxruntime 1.30 gives a buffer
 * back to the execution provider that made it, and crashes where that went with its session.
 */
class Session extends Retained {
  private readonly session: ort.InferenceSession;

  constructor(session: ort.InferenceSession) {
    super();
    this.session = session;
  }

  async run(feeds: Promise<Feeds>): Promise<Record<string, Held>> {
    if (this.isDisposed) throw new EngineError('webgpu: a program was run that had been disposed of');
    return this.using(async () => {
      const results = Object.entries(await runSession(this.session, await feeds));
      this.retain(results.length);
      return Object.fromEntries(results.map(([name, tensor]) => [name, { tensor, release: () => this.release() }]));
    });
  }

  protected free(): void {
    void this.session.release();
  }
}

/** @throws UserError where no adapter opens: the moving programs are the first that want one */
async function createMover(api: typeof ort): Promise<Mover> {
  const sessions = new Map<string, Session>();
  const dispose = async (): Promise<void> => {
    for (const session of sessions.values()) session.dispose();
    sessions.clear();
  };
  try {
    for (const dtype of ['f32', 'i32'] as const)
      for (const to of ['gpu-buffer', 'cpu'] as const)
        sessions.set(`${dtype} ${to}`, await openSession(api, writeCopyModel(dtype), to));
  } catch (error) {
    await dispose();
    throw withoutAdapter(error);
  }
  return {
    dispose,
    async move(tensor, dtype, to) {
      const session = sessions.get(`${dtype} ${to}`);
      if (!session) throw new EngineError(`webgpu: no ${dtype} tensor moves to ${to}, or its engine was disposed of`);
      const { y } = await session.run(Promise.resolve({ x: tensor }));
      return y;
    },
  };
}

/** What `--device webgpu` says where the device can't be opened. */
function withoutAdapter(error: unknown): UserError {
  const library = {
    linux:
      "It needs Vulkan: the GPU's driver and the loader (sudo apt-get install libvulkan1 vulkan-tools); " +
      'vulkaninfo --summary lists what is there.',
    darwin: 'It needs Metal, which virtual machines often lack.',
    win32: "It needs D3D12: update the GPU's driver.",
  }[process.platform as string];
  return new UserError(
    `--device webgpu: no adapter opens: ${reasonOf(error)}`,
    `${library ?? ''} Or compute on the CPU: --device cpu.`.trim(),
  );
}

/** What onnxruntime says went wrong, without the place in its source. */
function reasonOf(error: unknown): string {
  const [first] = messageOf(error).trim().split('\n');
  return first.replace(/^(\[.*?\] )?\S+\.(cc|h):\d+ .* was false\. /, '');
}

async function runSession(session: ort.InferenceSession, feeds: Feeds): Promise<ort.InferenceSession.ReturnType> {
  try {
    return await session.run(feeds);
  } catch (error) {
    const isOutOfMemory = /out of memory|max buffer size|failed to allocate/i.test(messageOf(error));
    throw isOutOfMemory ? new OutOfMemoryError(reasonOf(error), null) : new EngineError(`webgpu: ${reasonOf(error)}`);
  }
}

async function compile(api: typeof ort, graph: Graph, { constants }: CompileOptions, move: Move): Promise<Program> {
  const { bytes, inputs } = lowerToOnnx(graph, { constants, widensBytes: true });
  const outputs = Object.entries(graph.outputs);
  const homes = Object.fromEntries(outputs.map(([name, { dtype }]) => [outputName(name), homeOf(dtype)]));
  const session = await openSession(api, bytes, homes).catch((error: unknown) => {
    throw new EngineError(`webgpu can't compute this graph: ${reasonOf(error)}`);
  });
  const names = inputs.map((node) => inputName(node)!);
  return {
    async run(given: Inputs): Promise<Outputs> {
      const tensors = names.map((name) => {
        const tensor = given[name];
        if (!(tensor instanceof WebgpuTensor)) throw new EngineError(`webgpu: input ${name} is missing`);
        return tensor;
      });
      const feeds = async (): Promise<Feeds> => {
        const fed: Record<string, ort.Tensor> = {};
        for (const [i, tensor] of tensors.entries()) fed[names[i]] = await tensor.feed();
        return fed;
      };
      const run = (): ReturnType<Session['run']> => session.run(feeds());
      const results = await [...new Set(tensors)].reduce((call, tensor) => () => tensor.using(call), run)();
      return Object.fromEntries(
        outputs.map(([name, { dtype }]) => [name, new WebgpuTensor(results[outputName(name)], dtype, move)]),
      );
    },
    dispose: async () => session.dispose(),
  };
}
