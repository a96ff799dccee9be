/**
 * A small PJRT client: devices, programs and buffers of one plugin. Whatever computes, waits or copies much happens off
 * Node's thread.
 */
import type { DType, Shape } from '../../../graph/graph.ts';
import { EngineError, type HostValues, type MemoryUse } from '../../engine.ts';
import {
  BufferType,
  EXECUTE_OPTIONS,
  IMMUTABLE_UNTIL_TRANSFER_COMPLETES,
  NAMED_VALUE,
  NamedValueType,
  PROGRAM,
} from './api.ts';
import { PjrtError, type Plugin, readAttributes } from './plugin.ts';
import { type Memory, readBytes, readPointers, readText, Struct, structArray, type Value } from './struct.ts';

/** Handles of the plugin: a number of one kind can't stand for another. */
type Handle<K extends string> = bigint & { readonly handle?: K };
/** A PJRT_Buffer. */
export type BufferHandle = Handle<'buffer'>;
/** A PJRT_LoadedExecutable. */
export type ExecutableHandle = Handle<'executable'>;
type EventHandle = Handle<'event'>;

/** What a client computes on. */
export interface Device {
  readonly handle: Handle<'device'>;
  /** The vendor's name of it: `NVIDIA H100 80GB HBM3`. */
  readonly kind: string;
  /** Facts such as `compute_capability` of a CUDA device. */
  readonly attributes: Readonly<Record<string, string>>;
}

/** A text, a flag, a whole number (bigint) or a float. */
export type CreateOption = string | boolean | bigint | number;

/**
 * An open plugin. What it refuses or can't do it throws, or rejects with, as PjrtError.
 */
export interface Client {
  readonly plugin: Plugin;
  /** `cpu`, `cuda`, `rocm`, `tpu`. */
  readonly platform: string;
  readonly platformVersion: string;
  readonly devices: readonly Device[];
  /** Compiles StableHLO text. */
  compile(module: string, options: Uint8Array): Promise<ExecutableHandle>;
  serialize(executable: ExecutableHandle): Promise<Uint8Array>;
  deserialize(bytes: Uint8Array): Promise<ExecutableHandle>;
  /** Bytes of the device that a run of the program takes, inputs and outputs among them; null where not told. */
  memoryOf(executable: ExecutableHandle): number | null;
  /** Copies to a device, in its own time: `data` may not change until then. */
  upload(data: HostValues, dtype: DType, shape: Shape, device: Device): BufferHandle;
  /** One list of arguments a device, in the order of the executable's devices; `outputs` buffers come of each. */
  execute(
    executable: ExecutableHandle,
    argumentLists: readonly (readonly BufferHandle[])[],
    outputs: number,
  ): Promise<BufferHandle[][]>;
  /** Fills `target` once the buffer is computed. */
  download(buffer: BufferHandle, target: HostValues): Promise<void>;
  destroyBuffer(buffer: BufferHandle): void;
  destroyExecutable(executable: ExecutableHandle): void;
  /** Null where the plugin doesn't tell. */
  memoryUse(device: Device): MemoryUse | null;
  /** Does a job that uses the client, which lives until the job is over. Rejects once the client is being destroyed. */
  holding<T>(job: () => Promise<T>): Promise<T>;
  /** Waits for what holds it. Buffers and programs go with it. */
  destroy(): Promise<void>;
}

/** @param options what the platform's client takes: `preallocate`, `memory_fraction` ... on GPUs */
export async function createClient(
  plugin: Plugin,
  options: Readonly<Record<string, CreateOption>> = {},
): Promise<Client> {
  const created = await plugin.callAsync('PJRT_Client_Create', {
    create_options: namedValues(options),
    num_options: Object.keys(options).length,
  });
  const client = created.pointer('client');
  const jobs = new Set<Promise<unknown>>();
  const tracked = <T>(job: Promise<T>): Promise<T> => {
    const settled: Promise<unknown> = job.catch(() => undefined).finally(() => jobs.delete(settled));
    jobs.add(settled);
    return job;
  };
  let state: 'open' | 'closing' | 'destroyed' = 'open';
  const waitFor = createWaiter(plugin);
  const wait: typeof waitFor = (event, held) => tracked(waitFor(event, held));
  const name = plugin.call('PJRT_Client_PlatformName', { client });
  const version = plugin.call('PJRT_Client_PlatformVersion', { client });
  return {
    plugin,
    platform: readText(name.pointer('platform_name'), name.number('platform_name_size')),
    platformVersion: readText(version.pointer('platform_version'), version.number('platform_version_size')),
    devices: devicesOf(plugin, client),

    async compile(module, compileOptions) {
      const program = stablehloProgram(module);
      const compiled = await plugin.callAsync('PJRT_Client_Compile', {
        client,
        program,
        compile_options: compileOptions,
        compile_options_size: compileOptions.length,
      });
      return compiled.pointer('executable');
    },

    async serialize(loaded) {
      return withExecutable(plugin, loaded, async (executable) => {
        const written = await plugin.callAsync('PJRT_Executable_Serialize', { executable });
        try {
          return readBytes(written.pointer('serialized_bytes'), written.number('serialized_bytes_size'));
        } finally {
          plugin.callDeleter(
            written.pointer('serialized_executable_deleter'),
            written.pointer('serialized_executable'),
          );
        }
      });
    },

    async deserialize(bytes) {
      const read = await plugin.callAsync('PJRT_Executable_DeserializeAndLoad', {
        client,
        serialized_executable: bytes,
        serialized_executable_size: bytes.length,
      });
      return read.pointer('loaded_executable');
    },

    memoryOf: (loaded) =>
      optional(() => {
        const { executable } = executableOf(plugin, loaded);
        try {
          const stats = plugin.call('PJRT_Executable_GetCompiledMemoryStats', { executable });
          const parts = ['argument', 'output', 'temp', 'generated_code'] as const;
          const bytes = parts.reduce((sum, part) => sum + stats.number(`${part}_size_in_bytes`), 0);
          return bytes - stats.number('alias_size_in_bytes');
        } finally {
          plugin.call('PJRT_Executable_Destroy', { executable });
        }
      }),

    upload(data, dtype, shape, device) {
      const uploaded = plugin.call('PJRT_Client_BufferFromHostBuffer', {
        client,
        data,
        type: BufferType[dtype],
        dims: BigInt64Array.from(shape.length === 0 ? [1] : shape, BigInt),
        num_dims: shape.length,
        host_buffer_semantics: IMMUTABLE_UNTIL_TRANSFER_COMPLETES,
        device: device.handle,
      });
      // Whoever waits holds the data. A transfer that failed is told by the buffer, to whoever uses it.
      wait(uploaded.pointer('done_with_host_buffer'), data).catch(() => undefined);
      return uploaded.pointer('buffer');
    },

    async execute(executable, argumentLists, outputs) {
      const results = argumentLists.map(() => new BigUint64Array(Math.max(1, outputs)));
      await plugin.callAsync('PJRT_LoadedExecutable_Execute', {
        executable,
        options: new Struct(EXECUTE_OPTIONS),
        argument_lists: argumentLists,
        num_devices: argumentLists.length,
        num_args: argumentLists[0].length,
        output_lists: results,
      });
      return results.map((list) => [...list.subarray(0, outputs)]);
    },

    async download(buffer, target) {
      const copying = await plugin.callAsync('PJRT_Buffer_ToHostBuffer', {
        src: buffer,
        dst: target,
        dst_size: target.byteLength,
      });
      await wait(copying.pointer('event'), target);
    },

    destroyBuffer(buffer) {
      if (state !== 'destroyed') plugin.call('PJRT_Buffer_Destroy', { buffer });
    },
    destroyExecutable(executable) {
      if (state !== 'destroyed') plugin.call('PJRT_LoadedExecutable_Destroy', { executable });
    },

    memoryUse: ({ handle }) =>
      optional(() => {
        const stats = plugin.call('PJRT_Device_MemoryStats', { device: handle });
        return {
          usedBytes: stats.number('bytes_in_use'),
          peakBytes: stats.number('peak_bytes_in_use_is_set') ? stats.number('peak_bytes_in_use') : null,
          limitBytes: stats.number('bytes_limit_is_set') ? stats.number('bytes_limit') : null,
        };
      }),

    async holding(job) {
      if (state !== 'open') throw new EngineError('xla: the engine is closed');
      return tracked(job());
    },
    async destroy() {
      if (state !== 'open') return;
      state = 'closing';
      while (jobs.size > 0) await Promise.all(jobs);
      state = 'destroyed';
      plugin.call('PJRT_Client_Destroy', { client });
    },
  };
}

/** What a plugin may leave out. */
function optional<T>(ask: () => T): T | null {
  try {
    return ask();
  } catch (error) {
    if (error instanceof PjrtError && error.code === 'UNIMPLEMENTED') return null;
    throw error;
  }
}

/**
 * Waits for an event and destroys it; rejects with its error. Devices work in order, so waits that are not over at once
 * take turns on one thread of Node's pool: the others are for those who compute. `held` lives until then.
 */
function createWaiter(plugin: Plugin): (event: EventHandle, held: unknown) => Promise<void> {
  let turn: Promise<unknown> = Promise.resolve();
  return async (event, held) => {
    if (event === 0n) return;
    try {
      if (plugin.call('PJRT_Event_IsReady', { event }).number('is_ready')) {
        plugin.call('PJRT_Event_Error', { event });
        return;
      }
      const waiting = turn.then(() => plugin.callAsync('PJRT_Event_Await', { event })).then(() => held);
      turn = waiting.catch(() => undefined);
      await waiting;
    } finally {
      plugin.call('PJRT_Event_Destroy', { event });
    }
  };
}

function executableOf(plugin: Plugin, loaded: ExecutableHandle): { readonly executable: bigint } {
  const got = plugin.call('PJRT_LoadedExecutable_GetExecutable', { loaded_executable: loaded });
  return { executable: got.pointer('executable') };
}

async function withExecutable<T>(
  plugin: Plugin,
  loaded: ExecutableHandle,
  use: (executable: bigint) => Promise<T>,
): Promise<T> {
  const { executable } = executableOf(plugin, loaded);
  try {
    return await use(executable);
  } finally {
    plugin.call('PJRT_Executable_Destroy', { executable });
  }
}

function devicesOf(plugin: Plugin, client: bigint): Device[] {
  const listed = plugin.call('PJRT_Client_AddressableDevices', { client });
  const handles = readPointers(listed.pointer('addressable_devices'), listed.number('num_addressable_devices'));
  return handles.map((handle) => {
    const description = plugin.call('PJRT_Device_GetDescription', { device: handle }).pointer('device_description');
    const kind = plugin.call('PJRT_DeviceDescription_Kind', { device_description: description });
    const facts = plugin.call('PJRT_DeviceDescription_Attributes', { device_description: description });
    return {
      handle,
      kind: readText(kind.pointer('device_kind'), kind.number('device_kind_size')),
      attributes: readAttributes(facts.pointer('attributes'), facts.number('num_attributes')),
    };
  });
}

/** A module's text as a PJRT_Program. */
export function stablehloProgram(module: string): Memory {
  const code = Buffer.from(module);
  const format = Buffer.from('mlir');
  return new Struct(PROGRAM, { code, code_size: code.length, format, format_size: format.length });
}

/** Options as PJRT takes them: an array of PJRT_NamedValue. */
export function namedValues(options: Readonly<Record<string, CreateOption>>): Memory {
  const items = Object.entries(options).map(([name, option]) => {
    const text = Buffer.from(name);
    return { name: text, name_size: text.length, ...namedValue(option) };
  });
  return structArray(NAMED_VALUE, items);
}

function namedValue(option: CreateOption): {
  readonly type: number;
  readonly value: Value;
  readonly value_size: number;
} {
  switch (typeof option) {
    case 'string': {
      const text = Buffer.from(option);
      return { type: NamedValueType.string, value: text, value_size: text.length };
    }
    case 'boolean':
      return { type: NamedValueType.bool, value: BigInt(option), value_size: 1 };
    case 'bigint':
      return { type: NamedValueType.int64, value: BigInt.asUintN(64, option), value_size: 1 };
    case 'number': {
      const bits = new Uint32Array(Float32Array.of(option).buffer)[0];
      return { type: NamedValueType.float, value: BigInt(bits), value_size: 1 };
    }
  }
}
