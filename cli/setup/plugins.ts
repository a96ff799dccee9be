/**
 * PJRT plugins, which let the xla engine compute on GPUs and TPUs. They come as Python wheels, which pip brings into
 * Slim's cache: exact versions, binaries only, so that nothing of them runs while they are brought. Python itself is
 * only needed for that.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { evaluate, floats } from '../engines/engine.ts';
import { findPlugin, type Platform, pluginFolder } from '../engines/xla/plugins.ts';
import { input } from '../graph/ops/leaf.ts';
import { matmul } from '../graph/ops/matmul.ts';
import { messageOf, UserError } from '../io/errors.ts';
import { errorCode } from '../io/files.ts';
import { throwIfInterrupted, untilInterrupted } from '../io/io.ts';
import type { BringingIo } from './packages.ts';
import { pipInstall, pipRemedy } from './pip.ts';
import { CACHE_HINTS, makeWhole } from './whole-folder.ts';

/** What `slim setup` calls a platform's plugin. */
export const PLUGIN_SETS = { cuda: 'cuda', rocm: 'rocm', tpu: 'tpu', 'xla-cpu': 'cpu' } as const satisfies Record<
  string,
  Platform
>;
/** One of them. */
export type PluginSet = keyof typeof PLUGIN_SETS;

/** The wheels of a plugin, and about how much comes. */
interface Wheels {
  readonly wheels: readonly string[];
  readonly download: string;
}

/** The libraries of CUDA 12.9, of NVIDIA's own wheels: what JAX and TensorFlow both compute with. */
export const CUDA12_WHEELS = [
  'nvidia-cublas-cu12==12.9.1.4',
  'nvidia-cuda-cupti-cu12==12.9.79',
  'nvidia-cuda-nvcc-cu12==12.9.86',
  'nvidia-cuda-nvrtc-cu12==12.9.86',
  'nvidia-cuda-runtime-cu12==12.9.79',
  'nvidia-cudnn-cu12==9.19.0.56',
  'nvidia-cufft-cu12==11.4.1.4',
  'nvidia-cusolver-cu12==11.7.5.82',
  'nvidia-cusparse-cu12==12.5.10.65',
  'nvidia-nccl-cu12==2.28.9',
  'nvidia-nvjitlink-cu12==12.9.86',
] as const;

/**
 * All that is brought, in its exact version. The plugin of CUDA looks for NVIDIA's libraries in the wheels beside it (its
 * RPATH): those that jax-cuda13-plugin[with-cuda] and jax-cuda12-plugin[with-cuda] of the same version ask for. They are
 * of one release of the CUDA toolkit each, 13.0 and 12.9.
 */
export const WHEELS = {
  cuda13: {
    wheels: [
      'jax-cuda13-pjrt==0.11.2',
      'nvidia-cublas==13.0.2.14',
      'nvidia-cuda-cupti==13.0.85',
      'nvidia-cuda-nvcc==13.0.88',
      'nvidia-cuda-nvrtc==13.0.88',
      'nvidia-cuda-runtime==13.0.96',
      'nvidia-cudnn-cu13==9.19.0.56',
      'nvidia-cufft==12.0.0.61',
      'nvidia-cusolver==12.0.4.66',
      'nvidia-cusparse==12.6.3.3',
      'nvidia-nccl-cu13==2.28.9',
      'nvidia-nvjitlink==13.0.88',
      'nvidia-nvshmem-cu13==3.4.5',
      'nvidia-nvvm==13.0.88',
    ],
    download: '2 GB',
  },
  cuda12: {
    wheels: ['jax-cuda12-pjrt==0.11.2', ...CUDA12_WHEELS, 'nvidia-nvshmem-cu12==3.4.5'],
    download: '3 GB',
  },
  // Needs ROCm 7 itself, which no wheel brings.
  rocm: { wheels: ['jax-rocm7-pjrt==0.11.2'], download: '140 MB' },
  tpu: { wheels: ['libtpu==0.0.52'], download: '137 MB' },
  'xla-cpu': { wheels: ['lammps-jax-pjrt-cpu==0.11.2'], download: '63 MB' },
} as const satisfies Record<string, Wheels>;

/** What tells which wheels are in a folder. */
const CONTENTS = 'wheels.json';

/** A plugin that was brought and that computes. */
export interface ReadyPlugin {
  readonly path: string;
  readonly folder: string;
  /** What it computes on, for people. */
  readonly description: string;
}

/**
 * Brings a plugin, unless its very version is there, and has it compute a product.
 * @throws UserError where it can't be brought, or does not compute here; Interrupted
 */
export async function setUpPlugin(set: PluginSet, io: BringingIo): Promise<ReadyPlugin> {
  const platform = PLUGIN_SETS[set];
  const folder = resolve(pluginFolder(platform));
  const { wheels, download } = WHEELS[set === 'cuda' ? cudaHere() : set];
  if ((await contentsOf(folder)) !== contents(wheels)) await bring(set, { wheels, download }, folder, io);
  const path = findPlugin(platform)?.path;
  if (path === undefined || !path.startsWith(folder))
    throw new UserError(`${folder} holds no plugin for ${platform}`, `Remove it, and run slim setup ${set} again.`);
  return { path, folder, description: await untilInterrupted(io.signal, checkProduct(path, platform)) };
}

/** The CUDA whose libraries the driver of this machine takes. @throws UserError where there is none that takes any */
export const cudaHere = (): 'cuda13' | 'cuda12' => cudaFor(driverVersion());

/**
 * The CUDA whose libraries a driver takes: 13 from driver 580 on, 12 from 525 on (NVIDIA's CUDA compatibility guide).
 * @param driver as nvidia-smi tells it, `580.65.06`; null where there is none
 */
export function cudaFor(driver: string | null): 'cuda13' | 'cuda12' {
  const major = Number(driver?.split('.')[0]);
  if (major >= 580) return 'cuda13';
  if (major >= 525) return 'cuda12';
  throw driver === null
    ? new UserError(
        'no NVIDIA driver is here: no nvidia-smi that tells its version, and no /proc/driver/nvidia/version',
        'Install the driver, 525 or later (580 for CUDA 13), such as by: sudo ubuntu-drivers install --gpgpu. ' +
          'In a container: docker run --gpus all.',
      )
    : new UserError(
        `the NVIDIA driver ${driver} is too old`,
        'CUDA 12 takes a driver from 525 on, CUDA 13 from 580 on.',
      );
}

/** What /proc/driver/nvidia/version tells: `NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Sun ...`. */
export function moduleVersion(text: string): string | null {
  return /Kernel Module\D*?(?:for \S+)?\s+(\d+\.\d[\d.]*)/.exec(text)?.[1] ?? null;
}

function driverVersion(): string | null {
  const { status, stdout } = spawnSync('nvidia-smi', ['--query-gpu=driver_version', '--format=csv,noheader'], {
    encoding: 'utf8',
    timeout: 30_000,
  });
  const told = status === 0 ? /^\d+\.[\d.]+/.exec(stdout.trim())?.[0] : undefined;
  if (told !== undefined) return told;
  const file = '/proc/driver/nvidia/version';
  return existsSync(file) ? moduleVersion(readFileSync(file, 'utf8')) : null;
}

const contents = (wheels: readonly string[]): string => `${JSON.stringify(wheels)}\n`;

/** Null where the folder is not there, or another hand filled it. */
async function contentsOf(folder: string): Promise<string | null> {
  try {
    return await readFile(join(folder, CONTENTS), 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
}

async function bring(set: PluginSet, { wheels, download }: Wheels, folder: string, io: BringingIo): Promise<void> {
  const more = wheels.length > 1 ? ` and ${wheels.length - 1} wheels of NVIDIA's` : '';
  const what = `${wheels[0].replace('==', ' ')}${more}`;
  io.stderr.write(`bringing ${what} (about ${download}, once) into ${folder}\n`);
  try {
    await makeWhole(folder, {
      isWhole: async (made) => (await contentsOf(made)) === contents(wheels),
      async fill(made) {
        await pipInstall({ wheels, target: made }, io);
        await writeFile(join(made, CONTENTS), contents(wheels));
      },
    });
  } catch (error) {
    throwIfInterrupted(io.signal);
    throw new UserError(
      `can't bring ${what}: ${messageOf(error)}`,
      CACHE_HINTS[errorCode(error)] ??
        pipRemedy(
          messageOf(error),
          `slim setup ${set}`,
          '; or bring it on another machine and name its file with SLIM_PJRT_PLUGIN',
        ),
    );
  }
}

/** Has a plugin multiply two matrices. Returns what computed. */
async function checkProduct(path: string, platform: Platform): Promise<string> {
  const { createXlaEngine } = await import('../engines/xla/engine.ts'); // brings koffi along
  const engine = await createXlaEngine({ plugin: path, platform, cache: null });
  try {
    const [a, b] = [input('a', [2, 3]), input('b', [3, 2])];
    const { y } = await evaluate(
      engine,
      { outputs: { y: matmul(a, b) } },
      {
        a: floats(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3]),
        b: floats(Float32Array.of(7, 8, 9, 10, 11, 12), [3, 2]),
      },
    );
    // All of them exact in bf16, too.
    const expected = [58, 64, 139, 154];
    if (!expected.every((value, i) => y.data[i] === value))
      throw new UserError(
        `${path} computes a product wrongly: expected ${expected.join(', ')}, got ${[...y.data].join(', ')}`,
        'Is the driver one that the plugin was made for?',
      );
    return engine.description;
  } finally {
    await engine.dispose();
  }
}
