/**
 * TensorFlow itself below tfjs: @tensorflow/tfjs-node, and @tensorflow/tfjs-node-gpu on NVIDIA's GPUs. `slim setup
 * tensorflow` builds their binding, for what they fetch when they are installed is not to be had any more
 * (tensorflow/tfjs#8742). Here it is found and loaded.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import util from 'node:util';
import manifest from '../../../package.json' with { type: 'json' };
import type { Tfjs } from '../../graph/targets.ts';
import { cacheFolder } from '../../io/cache-folder.ts';
import { messageOf, UserError } from '../../io/errors.ts';
import { errorCode } from '../../io/files.ts';
import { hasHardware } from '../xla/plugins.ts';

/** What a TensorFlow is made for. */
export type TensorflowVariant = 'cpu' | 'gpu';

/** What tfjs computes on: of --device, those that it knows. */
export type TfjsDevice = 'auto' | 'cpu' | 'cuda';

/** The package of a variant. */
export const TFJS_NODE = { cpu: '@tensorflow/tfjs-node', gpu: '@tensorflow/tfjs-node-gpu' } as const satisfies Record<
  TensorflowVariant,
  string
>;

/** The command that brings a variant. */
export const TENSORFLOW_SETUP = {
  cpu: 'slim setup tensorflow',
  gpu: 'slim setup tensorflow --gpu',
} as const satisfies Record<TensorflowVariant, string>;

/** The binding's place in its package, whatever newer Node-API a Node has. */
export const BINDING = 'lib/napi-v8/tfjs_binding.node';

/** A package of the two. Whether it is the version that Slim takes, and its binding loads, shows when it is loaded. */
export interface FoundTensorflow {
  readonly variant: TensorflowVariant;
  /** The package's own folder. */
  readonly folder: string;
}

/** A TensorFlow that is here and can't compute: `slim setup tensorflow` builds another in its stead. */
export class BrokenTensorflow extends UserError {}

/** tfjs on TensorFlow. */
export interface LoadedTensorflow {
  readonly tf: Tfjs;
  /** For people: `tfjs 4.22.0 (TensorFlow 2.21.0, cpu)`. */
  readonly description: string;
  /** Whether it computes on a GPU; one that finds none computes on the CPU. */
  readonly usesGpu: boolean;
}

/** The folder that `slim setup tensorflow` fills for a variant. */
export function tensorflowFolder(variant: TensorflowVariant): string {
  return join(resolve(cacheFolder()), 'tensorflow', variant);
}

/** A variant: `slim setup`'s, else one that is installed beside Slim. Null where there is neither. */
export function findTensorflow(variant: TensorflowVariant): FoundTensorflow | null {
  // By its path: Node would also look into every folder above the cache's, which others may write.
  const own = join(tensorflowFolder(variant), 'node_modules', TFJS_NODE[variant]);
  const folder = existsSync(join(own, 'package.json')) ? own : folderBeside(TFJS_NODE[variant]);
  return folder === null ? null : { variant, folder };
}

const besideSlim = createRequire(import.meta.url);

function folderBeside(name: string): string | null {
  try {
    return dirname(besideSlim.resolve(`${name}/package.json`));
  } catch (error) {
    if (errorCode(error) === 'MODULE_NOT_FOUND') return null; // It is optional.
    throw error;
  }
}

/** What computes on a device: with `auto` on a GPU, where there is one and what it takes is here. Null where nothing is. */
export function tensorflowFor(device: TfjsDevice): FoundTensorflow | null {
  if (device !== 'auto') return findTensorflow(device === 'cuda' ? 'gpu' : 'cpu');
  const [first, second] = hasHardware('cuda') ? (['gpu', 'cpu'] as const) : (['cpu', 'gpu'] as const);
  return findTensorflow(first) ?? findTensorflow(second);
}

/** @throws BrokenTensorflow where it is another version, or its binding is missing or does not load */
export async function loadTensorflow({ variant, folder }: FoundTensorflow): Promise<LoadedTensorflow> {
  expectVersion(variant, folder);
  prepareProcess();
  const tf = load(variant, folder);
  await tf.ready();
  // Neither is declared: NodeJSKernelBackend of tfjs-node 4.22.
  const { binding, isUsingGpuDevice: usesGpu } = tf.backend() as unknown as {
    readonly binding: { readonly TF_Version: string };
    readonly isUsingGpuDevice: boolean;
  };
  const place = usesGpu ? 'gpu' : variant === 'gpu' ? 'cpu, for it finds no GPU' : 'cpu';
  return { tf, description: `tfjs ${tf.version.tfjs} (TensorFlow ${binding.TF_Version}, ${place})`, usesGpu };
}

/** Another version of Slim has built it, or another hand has installed it: no code of it runs. */
function expectVersion(variant: TensorflowVariant, folder: string): void {
  const name = TFJS_NODE[variant];
  const expected = manifest.peerDependencies[name];
  const version = versionIn(join(folder, 'package.json'));
  if (version !== expected)
    throw new BrokenTensorflow(
      `${name} in ${folder} is ${version ?? 'of no version that its package.json tells'}, and slim takes ${expected}`,
      `${TENSORFLOW_SETUP[variant]} builds one that works here.`,
    );
}

/** Null where the file is damaged. */
function versionIn(file: string): string | null {
  try {
    return (JSON.parse(readFileSync(file, 'utf8')) as { version?: string } | null)?.version ?? null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function load(variant: TensorflowVariant, folder: string): Tfjs {
  try {
    return besideSlim(folder) as Tfjs; // By its path, which is absolute: from wherever it is asked for.
  } catch (error) {
    const binding = join(folder, BINDING);
    const why = messageOf(error).split('\n')[0].replace(`${binding}: `, ''); // dlopen's begin with the file
    throw new BrokenTensorflow(
      existsSync(binding)
        ? `${binding} does not load: ${why}`
        : `${TFJS_NODE[variant]} in ${folder} has no native binding, ${BINDING}`,
      `${TENSORFLOW_SETUP[variant]} builds one that works here.`,
    );
  }
}

/** What TensorFlow and tfjs-node look for in the process that they are loaded into. */
function prepareProcess(): void {
  // Its notes on what this processor could do are not for people who train.
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '1';
  // The engine computes in f32: NVIDIA's libraries would take tf32 for it (CUDA's documentation, cuBLAS 2.1.11).
  process.env.NVIDIA_TF32_OVERRIDE = '0';
  // tfjs-node 4.22 calls both; Node 22 warns of that, and Node 23 has removed them.
  Object.assign(util, { isNullOrUndefined: (value: unknown) => value == null, isArray: Array.isArray });
}
