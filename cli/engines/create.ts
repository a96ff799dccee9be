/** From the flags to an engine: which one computes, on what, and with which products. */
import { join } from 'node:path';
import { cacheFolder } from '../io/cache-folder.ts';
import { messageOf, type UserError, usageError } from '../io/errors.ts';
import type { BringingIo } from '../setup/packages.ts';
import type { Engine, EngineName } from './engine.ts';
import type { Precision } from './precision.ts';
import {
  type FoundPlugin,
  findPlugin,
  hasHardware,
  namedPlugin,
  type Platform,
  requirePlugin,
  setupCommand,
} from './xla/plugins.ts';

/** What --device takes. */
export const DEVICES = ['auto', 'cpu', 'cuda', 'rocm', 'tpu', 'webgpu'] as const;
/** One of them. */
export type DeviceName = (typeof DEVICES)[number];

/** Which engine, and on what; `threads` is for onnx on the CPU alone, all processors unless given. */
export interface EngineChoice {
  /** The device's unless given: onnx on the CPU and webgpu, xla on cuda, rocm and tpu. */
  readonly engine?: EngineName;
  /**
   * `auto`: the best that is there and that the engine knows. Never webgpu: whether its adapter is a GPU or software is
   * not told.
   */
  readonly device: DeviceName;
  /** How many of them share the work, on xla; 1 unless given. */
  readonly devices?: number;
  /** The device's unless given: bf16 where it multiplies that faster, else f32. */
  readonly precision?: Precision;
  readonly threads?: number;
}

/** The platforms that are worth more than a CPU, the best first. */
const ACCELERATORS = ['cuda', 'rocm', 'tpu'] as const satisfies readonly Platform[];

/**
 * The chosen engine, loaded only where it is asked for: onnxruntime takes a tenth of a second, tfjs a whole one.
 * @throws UserError when what was named is not here: nothing else computes in its stead
 */
export async function createEngine(choice: EngineChoice, io: BringingIo): Promise<Engine> {
  const { engine, device } = choice;
  if (engine === undefined) return createFor(choice, io);
  switch (engine) {
    case 'onnx':
      if (device === 'webgpu') return createOnnx(choice, io);
      expectOnCpu(choice, engine);
      return createOnnx(choice, io);
    case 'tfjs': {
      if (device !== 'cuda') expectOnCpu(choice, engine);
      expectF32(choice, engine);
      expectOneDevice(choice, engine);
      const { createTfjsEngine } = await import('./tfjs/engine.ts');
      return createTfjsEngine({ device: device === 'auto' || device === 'cuda' ? device : 'cpu' }, io);
    }
    case 'xla':
      if (device === 'webgpu') throw notOn(device, engine);
      return createXla(choice, device === 'auto' ? anyPlugin() : requirePlugin(device, `--device ${device}`));
    default:
      return engine satisfies never;
  }
}

/** The engine that a device has. */
async function createFor(choice: EngineChoice, io: BringingIo): Promise<Engine> {
  const { device } = choice;
  if (device === 'cpu' || device === 'webgpu') return createOnnx(choice, io);
  if (device !== 'auto') return createXla(choice, requirePlugin(device, `--device ${device}`));
  const plugin = acceleratorPlugin();
  if (!plugin) {
    const engine = await createOnnx(choice, io);
    const idle = ACCELERATORS.find((platform) => hasHardware(platform));
    return idle ? toldOf(engine, `${setupCommand(idle)} lets the ${idle} device compute`) : engine;
  }
  try {
    return await createXla(choice, plugin);
  } catch (error) {
    if (choice.precision !== undefined || choice.devices !== undefined) throw error;
    return toldOf(await createOnnx(choice, io), `not on ${plugin.platform}: ${messageOf(error)}`);
  }
}

/** The same engine, whose description also says why it isn't another. */
function toldOf(engine: Engine, why: string): Engine {
  return { ...engine, description: `${engine.description}; ${why}` };
}

/** A plugin of an accelerator that seems to be here. The CPU has a better engine than xla. */
function acceleratorPlugin(): FoundPlugin | null {
  const named = namedPlugin();
  if (named) return ACCELERATORS.some((platform) => platform === named.platform) ? named : null;
  for (const platform of ACCELERATORS) {
    const found = hasHardware(platform) ? findPlugin(platform) : null;
    if (found) return found;
  }
  return null;
}

function anyPlugin(): FoundPlugin {
  return namedPlugin() ?? acceleratorPlugin() ?? requirePlugin('cpu', '--engine xla');
}

async function createOnnx(choice: EngineChoice, io: BringingIo): Promise<Engine> {
  expectF32(choice, 'onnx');
  expectOneDevice(choice, 'onnx');
  if (choice.device === 'webgpu') {
    const { createWebgpuEngine } = await import('./onnx/webgpu.ts');
    return createWebgpuEngine(io);
  }
  const { createOnnxEngine } = await import('./onnx/engine.ts');
  return createOnnxEngine({ threads: choice.threads }, io);
}

async function createXla(
  { device, devices, precision }: EngineChoice,
  { path, platform }: FoundPlugin,
): Promise<Engine> {
  const { createXlaEngine } = await import('./xla/engine.ts');
  const { createProgramCache } = await import('./xla/program-cache.ts');
  const cache = createProgramCache(join(cacheFolder(), 'programs'));
  const expected = device === 'auto' || device === 'webgpu' ? platform : device;
  return createXlaEngine({ plugin: path, platform: expected, precision, devices, cache });
}

function expectOnCpu(choice: EngineChoice, engine: EngineName): void {
  expectF32(choice, engine);
  expectOneDevice(choice, engine);
  if (choice.device !== 'auto' && choice.device !== 'cpu') throw notOn(choice.device, engine);
}

function notOn(device: Exclude<DeviceName, 'auto' | 'cpu'>, engine: EngineName): UserError {
  return usageError(
    `--engine ${engine} does not compute on ${device}`,
    `Leave out --engine: on ${device} it is ${device === 'webgpu' ? 'onnx' : 'xla'}.`,
  );
}

function expectOneDevice({ devices = 1 }: EngineChoice, engine: EngineName): void {
  if (devices > 1)
    throw usageError(
      `--devices ${devices}: the ${engine} engine computes on one`,
      'Several devices are for --engine xla, which is what computes on GPUs and TPUs: slim devices lists them.',
    );
}

function expectF32({ precision = 'f32' }: EngineChoice, engine: EngineName): void {
  if (precision !== 'f32')
    throw usageError(
      `--precision ${precision}: the ${engine} engine computes in f32`,
      'Products of tf32 and bf16 are for --engine xla, which is what computes on cuda, rocm and tpu.',
    );
}
