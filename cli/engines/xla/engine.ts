/**
 * The graph as one XLA program, run by a PJRT plugin: CUDA, ROCm, TPU, or the CPU. State stays on the device, and what
 * is donated is updated in place. Compiling, running and reading happen off Node's thread. Several devices run one
 * program that XLA cuts in parts (GSPMD, Xu et al. 2021): each has its part of a batch, and a copy of all else.
 */
import { cpus } from 'node:os';
import { inputsOf } from '../../graph/cost.ts';
import { type DType, elementCount, type Graph, type Shape } from '../../graph/graph.ts';
import { inputName } from '../../graph/ops/leaf.ts';
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
  partOf,
  type UploadOptions,
} from '../engine.ts';
import type { Precision } from '../precision.ts';
import { Retained } from '../retained.ts';
import { cudnnAttention, smallAttention, TOKEN_MULTIPLE } from './cudnn-attention.ts';
import { type FusedKernels, lowerInSlices, lowerToStableHlo } from './lower.ts';
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
  /** How many devices share the work; one unless given. */
  readonly devices?: number;
  /** Where compiled programs are kept; null compiles anew each time. */
  readonly cache: ProgramCache | null;
}

/**
 * GPU memory is taken as it is needed, up to nine tenths: by default XLA takes three quarters at once, and no more.
 */
const GPU_MEMORY: Readonly<Record<string, CreateOption>> = { preallocate: false, memory_fraction: 0.9 };

/** Opens a plugin, on its first devices. UserError where it can't be used here. */
export async function createXlaEngine({
  plugin: path,
  platform,
  precision: asked,
  devices: count = 1,
  cache,
}: XlaOptions): Promise<Engine> {
  const client = await openPlatform(path, platform ?? null);
  try {
    const devices = client.devices.slice(0, count);
    const [device] = devices;
    if (!device) throw new EngineError(`xla: the plugin ${path} has no device`);
    if (devices.length < count)
      throw new UserError(
        `--devices ${count}: ${client.platform} has ${devices.length} here`,
        'slim devices lists them.',
      );
    const precision = asked ?? defaultPrecision(client, device);
    const xla: Xla = { client, devices, precision, cache, identity: identityOf(client, device), fused: null };
    const attention = await attentionOf(xla);
    return engineOn({ ...xla, fused: attention.kernels }, attention.told);
  } catch (error) {
    await client.destroy();
    throw error;
  }
}

function engineOn(xla: Xla, attention: string): Engine {
  const { client, devices, precision } = xla;
  const { major, minor } = client.plugin.version;
  return {
    name: 'xla',
    precision,
    deviceCount: devices.length,
    tokenMultiple: xla.fused === null ? undefined : TOKEN_MULTIPLE,
    description: `xla (${descriptionOf(xla)}, PJRT ${major}.${minor}, ${precision} products${attention})`,
    upload: (tensor, options) => upload(xla, tensor, options),
    compile: (graph, options = {}) => client.holding(() => compile(xla, graph, options)),
    memoryUse: () => client.memoryUse(devices[0]),
    dispose: () => client.destroy(),
  };
}

/**
 * cuDNN's attention where it works, found out by compiling a small one: what it takes depends on the card and on the
 * version of cuDNN, neither of which tells. XLA's partitioner would gather its operands on every device.
 */
async function attentionOf(xla: Xla): Promise<{ readonly kernels: Xla['fused']; readonly told: string }> {
  const { client, devices, precision } = xla;
  if (client.platform !== 'cuda' || precision !== 'bf16' || devices.length > 1) return { kernels: null, told: '' };
  const { text } = lowerToStableHlo(smallAttention(), { precision, fused: cudnnAttention() });
  try {
    client.destroyExecutable(await executableOf(xla, text));
    return { kernels: cudnnAttention, told: ", cuDNN's attention" };
  } catch (error) {
    if (!(error instanceof PjrtError)) throw error;
    const [why] = error.message.split('\n');
    return { kernels: null, told: `, attention not fused: ${why}` };
  }
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
  /** Those that share the work. */
  readonly devices: readonly Device[];
  readonly precision: Precision;
  readonly cache: ProgramCache | null;
  /** Makes the platform's own kernels for a module; null where there are none. */
  readonly fused: (() => FusedKernels) | null;
  /** What a compiled program depends on, beside its text and options. */
  readonly identity: readonly string[];
}

const HOST_ARRAYS = { f32: Float32Array, i32: Int32Array, u8: Uint8Array } as const satisfies Record<DType, unknown>;

/** How a tensor is placed: a copy on each device, or on each its part of the first axis. */
type Placement = 'copies' | 'parts';

/** Parts where a batch can be cut evenly. What uploads a tensor and what compiles a program for it agree on that. */
function placementOf(
  { devices }: Pick<Xla, 'devices'>,
  { shape }: { readonly shape: Shape },
  batched: boolean,
): Placement {
  return batched && devices.length > 1 && shape[0] % devices.length === 0 ? 'parts' : 'copies';
}

/** A tensor on the devices. It outlives `dispose` for as long as a run that was given it has not begun. */
class XlaTensor extends Retained implements DeviceTensor {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly placement: Placement;
  /** One a device, in the devices' order. */
  readonly buffers: readonly BufferHandle[];
  private readonly client: Client;
  /** What the program takes that makes it; null for what was uploaded. A device may say only now that it has no room. */
  private readonly neededBytes: number | null;

  constructor(
    client: Client,
    buffers: readonly BufferHandle[],
    { dtype, shape }: { readonly dtype: DType; readonly shape: Shape },
    {
      placement = 'copies',
      neededBytes = null,
    }: { readonly placement?: Placement; readonly neededBytes?: number | null } = {},
  ) {
    super();
    this.client = client;
    this.neededBytes = neededBytes;
    this.buffers = buffers;
    this.dtype = dtype;
    this.shape = shape;
    this.placement = placement;
  }

  async read(): Promise<HostValues> {
    const values = new HOST_ARRAYS[this.dtype](elementCount(this.shape));
    const read = this.placement === 'parts' ? this.buffers : this.buffers.slice(0, 1);
    const size = values.length / read.length;
    // All of them come to their end, for as long as one goes on it has its buffer's address.
    const reading = async (): Promise<void> => {
      const parts = read.map((buffer, i) => this.client.download(buffer, values.subarray(i * size, (i + 1) * size)));
      for (const part of await Promise.allSettled(parts)) if (part.status === 'rejected') throw part.reason;
    };
    await this.client.holding(() => this.using(() => named(reading(), this.neededBytes)));
    return values;
  }

  protected free(): void {
    for (const buffer of this.buffers) this.client.destroyBuffer(buffer);
  }
}

function upload(xla: Xla, tensor: HostTensor, { batched = false }: UploadOptions = {}): XlaTensor {
  const { client, devices } = xla;
  const placement = placementOf(xla, tensor, batched);
  const buffers: BufferHandle[] = [];
  try {
    for (const [i, device] of devices.entries()) {
      const { data, dtype, shape } = placement === 'parts' ? partOf(tensor, i, devices.length) : tensor;
      buffers.push(client.upload(data, dtype, shape, device));
    }
  } catch (error) {
    for (const buffer of buffers) client.destroyBuffer(buffer);
    throw asEngineError(error, tensor.data.byteLength);
  }
  return new XlaTensor(client, buffers, tensor, { placement });
}

async function compile(
  xla: Xla,
  graph: Graph,
  { constants = {}, donated, batched = [] }: CompileOptions,
): Promise<Program> {
  const { client, devices, precision, fused } = xla;
  const placements = new Map(
    inputsOf(graph).map((node) => [inputName(node)!, placementOf(xla, node, batched.includes(inputName(node)!))]),
  );
  const { text, inputs, outputs } = await lowerInSlices(graph, {
    precision,
    fused: fused?.(),
    donated,
    partitions: devices.length,
    batched: batched.filter((name) => placements.get(name) === 'parts'),
  });
  const executable = await named(executableOf(xla, text), null);
  const neededBytes = client.memoryOf(executable);
  const own = new Map(Object.entries(constants).map(([name, tensor]) => [name, upload(xla, tensor)]));
  const types = outputs.map((name) => graph.outputs[name]);
  return {
    async run(given: Inputs): Promise<Outputs> {
      const tensors = inputs.map((name) => {
        const tensor = own.get(name) ?? given[name];
        if (!(tensor instanceof XlaTensor)) throw new EngineError(`xla: input ${name} is missing`);
        const placement = placements.get(name)!;
        if (tensor.placement !== placement)
          throw new EngineError(`xla: input ${name} was compiled for ${placement} and lies in ${tensor.placement}`);
        return tensor;
      });
      const run = (): Promise<BufferHandle[][]> =>
        client.execute(
          executable,
          devices.map((_, i) => tensors.map(({ buffers }) => buffers[i])),
          outputs.length,
        );
      const held = [...new Set(tensors)].reduce((call, tensor) => () => tensor.using(call), run);
      const buffers = await client.holding(() => named(held(), neededBytes));
      return Object.fromEntries(
        outputs.map((name, i) => [
          name,
          new XlaTensor(
            client,
            buffers.map((ofDevice) => ofDevice[i]),
            types[i],
            { neededBytes },
          ),
        ]),
      );
    },
    async dispose() {
      for (const tensor of own.values()) tensor.dispose();
      client.destroyExecutable(executable);
    },
  };
}

/** The compiled module: kept from an earlier time, else compiled and kept. */
async function executableOf({ client, devices, cache, identity }: Xla, text: string): Promise<ExecutableHandle> {
  const options = compileOptions({ partitions: devices.length });
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

function descriptionOf({ client: { platform, devices: all }, devices }: Pick<Xla, 'client' | 'devices'>): string {
  const [{ kind }] = devices;
  const name = kind === platform ? platform : `${platform}: ${kind}`;
  if (devices.length > 1) return `${devices.length} × ${name}`;
  return all.length > 1 && platform !== 'cpu' ? `${name}, the first of ${all.length}` : name;
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
