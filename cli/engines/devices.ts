/** What could compute on this machine: every engine and device, or why not and what brings it. */
import { availableParallelism, cpus, totalmem } from 'node:os';
import { messageOf, UserError } from '../io/errors.ts';
import { type BringingIo, findPackages, type PackageSet, packageVersion } from '../setup/packages.ts';
import type { EngineName } from './engine.ts';
import { findTensorflow, TENSORFLOW_SETUP, type TensorflowVariant, TFJS_NODE } from './tfjs/tensorflow.ts';
import { checkTensorflow } from './tfjs/tensorflow-check.ts';
import { findPlugin, hasHardware, namedPlugin, PLATFORMS, type Platform, setupCommand } from './xla/plugins.ts';

/** A device of an engine, or one that is not to be had and why. */
export interface DeviceReport {
  readonly engine: EngineName;
  /** What --device calls it. */
  readonly device: Platform | 'webgpu';
  /** The vendor's name; null where there is none, or where it is not told. */
  readonly name: string | null;
  /** What may be used of its memory; null where that is not told. */
  readonly memoryBytes: number | null;
  /** Of what computes: `onnxruntime 1.30.0`, `PJRT 0.105`. */
  readonly version: string | null;
  /** The plugin's file, where a plugin computes; null where none does. */
  readonly plugin: string | null;
  /** Why it can't compute; null where it can. */
  readonly problem: string | null;
  /** What to do about that, or for more speed; empty where nothing helps. */
  readonly remedy: string;
  /** What else to know before it is taken; empty where nothing. */
  readonly note: string;
}

/** All of them, those of the CPU's own engines first. Opens every plugin that is found where its hardware is, and WebGPU's adapter. */
export async function listDevices(io: BringingIo): Promise<DeviceReport[]> {
  const onnx = await ofPackage('onnx', 'onnxruntime');
  const reports = [onnx, await ofWebgpu(onnx, io), await ofTfjs(), await ofTfjsOnGpu()];
  for (const platform of PLATFORMS) reports.push(...(await ofPlatform(platform)));
  return reports;
}

async function ofPackage(engine: EngineName, set: PackageSet): Promise<DeviceReport> {
  const isThere = (await findPackages(set)) !== null;
  return {
    engine,
    device: 'cpu',
    name: `${cpus()[0]?.model.trim() || process.arch}, ${availableParallelism()} threads`,
    memoryBytes: totalmem(),
    version: `${set} ${packageVersion(set)}`,
    plugin: null,
    problem: isThere ? null : `${set} is not here yet: the first command that needs it brings it`,
    remedy: isThere ? '' : `slim setup ${set} brings it now.`,
    note: '',
  };
}

/** TensorFlow where it is here, else WebAssembly. */
async function ofTfjs(): Promise<DeviceReport> {
  const report = await ofPackage('tfjs', 'tfjs');
  if (findTensorflow('cpu') === null)
    return report.problem === null
      ? { ...report, version: `${report.version} (wasm)`, remedy: `${TENSORFLOW_SETUP.cpu} makes it faster.` }
      : report;
  return { ...report, ...(await ofTensorflow('cpu')) };
}

async function ofTfjsOnGpu(): Promise<DeviceReport> {
  const report = {
    engine: 'tfjs',
    device: 'cuda',
    name: null,
    memoryBytes: null,
    version: null,
    plugin: null,
    note: '',
  } as const;
  const isHere = findTensorflow('gpu') !== null;
  if (!hasHardware('cuda')) {
    const problem = 'no driver for cuda has found a device';
    return { ...report, problem, remedy: isHere ? '' : `With one: ${TENSORFLOW_SETUP.gpu}.` };
  }
  if (!isHere)
    return { ...report, problem: `${TFJS_NODE.gpu} is not here`, remedy: `${TENSORFLOW_SETUP.gpu} brings it.` };
  return { ...report, name: 'an NVIDIA GPU', ...(await ofTensorflow('gpu')) };
}

async function ofTensorflow(variant: TensorflowVariant): Promise<Pick<DeviceReport, 'version' | 'problem' | 'remedy'>> {
  try {
    const { description, usesGpu } = await checkTensorflow(variant, new AbortController().signal);
    if (variant === 'gpu' && !usesGpu) return { version: null, problem: 'TensorFlow finds no GPU', remedy: '' };
    return { version: description, problem: null, remedy: '' };
  } catch (error) {
    return { version: null, ...reasonOf(error) };
  }
}

async function ofWebgpu(onCpu: DeviceReport, io: BringingIo): Promise<DeviceReport> {
  const note = 'auto does not take it, for whether it is a GPU or software is not told';
  const report = { ...onCpu, device: 'webgpu', name: null, memoryBytes: null, note } as const;
  if (report.problem !== null) return report;
  try {
    const { createWebgpuEngine } = await import('./onnx/webgpu.ts');
    await (await createWebgpuEngine(io)).dispose();
    return report;
  } catch (error) {
    return { ...report, ...reasonOf(error) };
  }
}

async function ofPlatform(platform: Platform): Promise<DeviceReport[]> {
  const absent = {
    engine: 'xla',
    device: platform,
    name: null,
    memoryBytes: null,
    version: null,
    plugin: null,
    note: '',
  } as const;
  const named = namedPlugin();
  const isNamed = named !== null && (named.platform ?? platform) === platform;
  const plugin = isNamed ? named : findPlugin(platform);
  if (!isNamed && platform !== 'cpu' && !hasHardware(platform)) {
    const problem = `no driver for ${platform} has found a device`;
    return [{ ...absent, problem, remedy: plugin ? '' : `With one: ${setupCommand(platform)}.` }];
  }
  if (plugin === null)
    return [{ ...absent, problem: 'no plugin is here', remedy: `${setupCommand(platform)} brings it.` }];
  try {
    const { describePlugin } = await import('./xla/engine.ts'); // brings koffi along
    const { version, devices } = await describePlugin(plugin.path, platform);
    return devices.map(({ name, memoryBytes }) => ({
      ...absent,
      name,
      memoryBytes,
      version,
      plugin: plugin.path,
      problem: null,
      remedy: '',
    }));
  } catch (error) {
    return [{ ...absent, ...reasonOf(error) }];
  }
}

/** Why something can't compute, told from the error that it ended with. */
function reasonOf(error: unknown): Pick<DeviceReport, 'problem' | 'remedy'> {
  return { problem: messageOf(error), remedy: error instanceof UserError ? error.hint : '' };
}
