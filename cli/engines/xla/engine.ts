/**
 * The graph as one XLA program, run by a PJRT plugin: CUDA, ROCm, TPU, or the CPU. State stays on the device, and what
 * is donated is updated in place. Compiling, running and reading happen off Node's thread.
 */
import { cpus } from 'node:os';
import { type DType, elementCount, type Graph, type Shape } from '../../graph/graph.ts';
import { UserError } from '../../io/errors.ts';
import {
  type CompileOptions,
  type DeviceTensor,
  type Engine,
  EngineError,
  type HostTensor,
  type HostValues,
  type Inputs,
  OutOfMemoryError,
  type Outputs,
  type Program,
} from '../engine.ts';
import type { Precision } from '../precision.ts';
import { lowerInSlices } from './lower.ts';
import {
  type BufferHandle,
  type Client,
  type CreateOption,
  createClient,
  type Device,
  type ExecutableHandle,
} from './pjrt/client.ts';
import { compileOptions } from './pjrt/compile-options.ts';
import { loadPlugin, PjrtError, type Plugin } from './pjrt/plugin.ts';
import type { Platform } from './plugins.ts';
import { type ProgramCache, programKey } from './program-cache.ts';

/** Which plugin, and how it computes. */
export interface XlaOptions {
  /** The plugin's file. */
  readonly plugin: string;
  /** What it should compute on; null where any will do. */
  readonly platform?: Platform | null;
  /** What products take; bf16 on devices that multiply it faster, f32 elsewhere, unless given. */
  readonly precision?: Precision;
  /** Where compiled programs are kept; null compiles anew each time. */
  readonly cache: ProgramCache | null;
}

/**
 * GPU memory is taken as it is needed, up to nine tenths: by default XLA takes three quarters at once, and no more.
 */
const GPU_MEMORY: Readonly<Record<string, CreateOption>> = { preallocate: false, memory_fraction: 0.9 };

/** Opens a plugin, on its first device. UserError where it can't be used here. */
export async function createXlaEngine({
  plugin: path,
  platform,
  precision: asked,
  cache,
}: XlaOptions): Promise<Engine> {
  const client = await openPlatform(path, platform ?? null);
  const { plugin } = client;
  const device = client.devices[0];
  if (!device) throw new EngineError(`xla: the plugin ${path} has no device`);
  const precision = asked ?? defaultPrecision(client, device);
  const xla: Xla = { client, device, precision, cache, identity: identityOf(client, device) };
  const { major, minor } = plugin.version;
  return {
    name: 'xla',
    precision,
    description: `xla (${descriptionOf(client, device)}, PJRT ${major}.${minor}, ${precision} products)`,
    upload: (tensor) => upload(xla, tensor),
    compile: (graph, options = {}) => client.holding(() => compile(xla, graph, options)),
    memoryUse: () => client.memoryUse(device),
    dispose: () => client.destroy(),
  };
}

/** What a plugin tells of itself and of its devices. */
export interface PluginReport {
  readonly version: string;
  readonly devices: readonly { readonly name: string; readonly memoryBytes: number | null }[];
}

/** Opens a plugin to see what it has. UserError where it can't be used here, or computes on another platform. */
export async function describePlugin(path: string, platform: Platform): Promise<PluginReport> {
  const client = await openPlatform(path, platform);
  try {
    const { major, minor } = client.plugin.version;
    return {
      version: `PJRT ${major}.${minor}`,
      devices: client.devices.map((device) => ({
        name: device.kind,
        memoryBytes: client.memoryUse(device)?.limitBytes ?? null,
      })),
    };
  } finally {
    await client.destroy();
  }
}

/** A plugin's client, on the platform that it should compute on; null: on any. */
async function openPlatform(path: string, platform: Platform | null): Promise<Client> {
  const client = await openClient(loadPlugin(path), platform === 'cuda' || platform === 'rocm' ? GPU_MEMORY : {});
  if (platform === null || client.platform === platform) return client;
  await client.destroy();
  throw new UserError(
    `${path} computes on ${client.platform}, not on ${platform}`,
    'SLIM_PJRT_PLUGIN names it: leave that out, or name another.',
  );
}

async function openClient(plugin: Plugin, options: Readonly<Record<string, CreateOption>>): Promise<Client> {
  try {
    return await createClient(plugin, options);
  } catch (error) {
    if (!(error instanceof PjrtError)) throw error;
    throw new UserError(
      `${plugin.path} does not start here: ${error.message}`,
      'Is there a device of its kind, with a driver that is new enough, and memory that others leave?',
    );
  }
}

interface Xla {
  readonly client: Client;
  readonly device: Device;
  readonly precision: Precision;
  readonly cache: ProgramCache | null;
  /** What a compiled program depends on, beside its text and options. */
  readonly identity: readonly string[];
}

const HOST_ARRAYS = { f32: Float32Array, i32: Int32Array, u8: Uint8Array } as const satisfies Record<DType, unknown>;

/** A tensor on the device. It outlives `dispose` for as long as a run that was given it has not begun. */
class XlaTensor implements DeviceTensor {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly buffer: BufferHandle;
  private readonly client: Client;
  private users = 0;
  private disposed = false;

  constructor(
    client: Client,
    buffer: BufferHandle,
    { dtype, shape }: { readonly dtype: DType; readonly shape: Shape },
  ) {
    this.client = client;
    this.buffer = buffer;
    this.dtype = dtype;
    this.shape = shape;
  }

  async read(): Promise<HostValues> {
    const values = new HOST_ARRAYS[this.dtype](elementCount(this.shape));
    await this.client.holding(() => this.using(() => named(this.client.download(this.buffer, values), null)));
    return values;
  }

  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    if (this.users === 0) this.client.destroyBuffer(this.buffer);
  }

  /** Holds the buffer while a call on another thread has its address. */
  async using<T>(call: () => Promise<T>): Promise<T> {
    this.users++;
    try {
      return await call();
    } finally {
      this.users--;
      if (this.disposed && this.users === 0) this.client.destroyBuffer(this.buffer);
    }
  }
}

function upload({ client, device }: Xla, { dtype, shape, data }: HostTensor): XlaTensor {
  try {
    return new XlaTensor(client, client.upload(data, dtype, shape, device), { dtype, shape });
  } catch (error) {
    throw asEngineError(error, data.byteLength);
  }
}

async function compile(xla: Xla, graph: Graph, { constants = {}, donated }: CompileOptions): Promise<Program> {
  const { client, precision } = xla;
  const { text, inputs, outputs } = await lowerInSlices(graph, { precision, donated });
  const executable = await named(executableOf(xla, text), null);
  const neededBytes = client.memoryOf(executable);
  const own = new Map(Object.entries(constants).map(([name, tensor]) => [name, upload(xla, tensor)]));
  const types = outputs.map((name) => graph.outputs[name]);
  return {
    async run(given: Inputs): Promise<Outputs> {
      const tensors = inputs.map((name) => {
        const tensor = own.get(name) ?? given[name];
        if (!(tensor instanceof XlaTensor)) throw new EngineError(`xla: input ${name} is missing`);
        return tensor;
      });
      const run = (): Promise<BufferHandle[][]> =>
        client.execute(executable, [tensors.map(({ buffer }) => buffer)], outputs.length);
      const held = [...new Set(tensors)].reduce((call, tensor) => () => tensor.using(call), run);
      const [buffers] = await client.holding(() => named(held(), neededBytes));
      return Object.fromEntries(outputs.map((name, i) => [name, new XlaTensor(client, buffers[i], types[i])]));
    },
    async dispose() {
      for (const tensor of own.values()) tensor.dispose();
      client.destroyExecutable(executable);
    },
  };
}

/** The compiled module: kept from an earlier time, else compiled and kept. */
async function executableOf({ client, cache, identity }: Xla, text: string): Promise<ExecutableHandle> {
  const options = compileOptions();
  if (!cache) return client.compile(text, options);
  const key = programKey([text, options, ...identity]);
  const kept = await cache.get(key);
  if (kept) {
    try {
      return await client.deserialize(kept);
    } catch (error) {
      // Whole, but not what this plugin wrote or can read any more: compiled anew below, which replaces it.
      if (!(error instanceof PjrtError)) throw error;
      await cache.remove(key);
    }
  }
  const executable = await client.compile(text, options);
  try {
    await cache.put(key, await client.serialize(executable));
  } catch (error) {
    // A plugin need not know how to write programs; then each run compiles.
    if (!(error instanceof PjrtError && error.code === 'UNIMPLEMENTED')) throw error;
  }
  return executable;
}

/** A program is of the very plugin, device and settings that it was compiled for. */
function identityOf({ plugin, platform, platformVersion }: Client, device: Device): string[] {
  const { version, attributes } = plugin;
  return [
    `${version.major}.${version.minor}`,
    ...Object.entries(attributes).flat(),
    plugin.stamp,
    platform,
    platformVersion,
    device.kind,
    cpus()[0]?.model ?? '',
    process.env.XLA_FLAGS ?? '',
  ];
}

/** NVIDIA's tensor cores know bf16 from compute capability 8.0 (Ampere) on. */
function defaultPrecision({ platform }: Client, { attributes }: Device): Precision {
  if (platform === 'cpu') return 'f32';
  const capability = Number(attributes.compute_capability ?? '8.0');
  return platform === 'cuda' && capability < 8 ? 'f32' : 'bf16';
}

function descriptionOf({ platform, devices }: Client, { kind }: Device): string {
  const many = devices.length > 1 && platform !== 'cpu' ? `, the first of ${devices.length}` : '';
  return kind === platform ? platform : `${platform}: ${kind}${many}`;
}

/** Rejects with an error of the engine's. */
async function named<T>(working: Promise<T>, neededBytes: number | null): Promise<T> {
  try {
    return await working;
  } catch (error) {
    throw asEngineError(error, neededBytes);
  }
}

function asEngineError(error: unknown, neededBytes: number | null): unknown {
  const outOfMemory = error instanceof PjrtError && error.code === 'RESOURCE_EXHAUSTED';
  return outOfMemory ? new OutOfMemoryError(error.message, neededBytes) : error;
}
