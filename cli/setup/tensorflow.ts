/**
 * TensorFlow for the tfjs engine. tfjs-node's own install fetches a TensorFlow of 2022 from a host that has closed, so
 * that Slim builds its binding itself, against the libraries in the wheel that Python's users get: npm brings the
 * binding's sources and Node's headers, hash for hash, pip the wheel, g++ compiles. Nothing of Python runs afterwards.
 */
import { copyFile, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import {
  BINDING,
  BrokenTensorflow,
  TENSORFLOW_SETUP,
  type TensorflowVariant,
  TFJS_NODE,
  tensorflowFolder,
} from '../engines/tfjs/tensorflow.ts';
import { checkTensorflow, type TensorflowCheck } from '../engines/tfjs/tensorflow-check.ts';
import { builtAsset } from '../io/assets.ts';
import { messageOf, UserError } from '../io/errors.ts';
import { errorCode, exists } from '../io/files.ts';
import { throwIfInterrupted } from '../io/io.ts';
import { npmCi } from './npm.ts';
import type { BringingIo } from './packages.ts';
import { pipInstall, pipRemedy } from './pip.ts';
import { CUDA12_WHEELS, cudaHere } from './plugins.ts';
import { runProgram } from './program.ts';
import npmPackages from './tensorflow-packages/package.json' with { type: 'json' };
import { CACHE_HINTS, type Making, makeWhole } from './whole-folder.ts';

/** What pip brings of a variant, in exact versions, and about how much comes in all. */
export const TENSORFLOW_WHEELS: Readonly<
  Record<TensorflowVariant, { readonly wheels: readonly string[]; readonly download: string }>
> = {
  cpu: { wheels: ['tensorflow-cpu==2.21.0'], download: '330 MB' },
  // What tensorflow[and-cuda] of this version asks for, in the versions that jax-cuda12-pjrt is brought with.
  gpu: { wheels: ['tensorflow==2.21.0', ...CUDA12_WHEELS, 'nvidia-curand-cu12==10.3.10.19'], download: '3.3 GB' },
};

/** The wheel for one Python, whichever is here: of its files only the libraries are used, and those are alike. */
const FOR_PYTHON = ['--python-version=3.12', '--implementation=cp', '--abi=cp312'];

/** Below a wheel's `tensorflow` folder: what computes, and whose work it is. The rest, 500 MB, is Python and headers. */
const LIBRARIES = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'];
const KEPT = [...LIBRARIES, 'THIRD_PARTY_NOTICES.txt'];

/** What tells from what a folder was made, and how long the files are that may have been cut short. */
const CONTENTS = 'contents.json';

/** A TensorFlow that was built and that computes. */
export interface ReadyTensorflow {
  readonly folder: string;
  /** What computes, for people. */
  readonly description: string;
}

/**
 * Builds a variant, unless it is there and computes, and has it compute a product.
 * @throws UserError where it can't be built, or does not compute here; Interrupted
 */
export async function setUpTensorflow(variant: TensorflowVariant, io: BringingIo): Promise<ReadyTensorflow> {
  expectPlatform(`${process.platform}-${process.arch}`);
  if (variant === 'gpu') cudaHere(); // CUDA 12's libraries take the drivers of CUDA 13, too.
  const folder = tensorflowFolder(variant);
  const { description, usesGpu } = (await isWhole(folder, variant))
    ? await checkOrRebuild(variant, folder, io)
    : await buildAndCheck(variant, folder, io);
  if (variant === 'gpu' && !usesGpu)
    throw new UserError(
      `TensorFlow is in ${folder}, but finds no GPU: ${description}`,
      'Does nvidia-smi see one? In a container: docker run --gpus all.',
    );
  return { folder, description };
}

/** @throws UserError where there is no wheel with TensorFlow's libraries for a platform */
export function expectPlatform(platform: string): void {
  if (platform !== 'linux-x64')
    throw new UserError(
      `slim setup tensorflow builds for linux-x64, and this is ${platform}`,
      'The onnx engine, the default, needs no TensorFlow; --engine tfjs computes on WebAssembly here, slowly.',
    );
}

/**
 * What is there is given up only where it tells itself that it can't compute, and another is there: one that was killed,
 * such as for want of memory, may be sound, and gigabytes are not to be had everywhere.
 */
async function checkOrRebuild(variant: TensorflowVariant, folder: string, io: BringingIo): Promise<TensorflowCheck> {
  try {
    return await checkTensorflow(variant, io.signal);
  } catch (error) {
    if (!(error instanceof BrokenTensorflow)) throw error;
    io.stderr.write(`${error.message}\n`);
    return buildAndCheck(variant, folder, io, { replacesWhole: true });
  }
}

async function buildAndCheck(
  variant: TensorflowVariant,
  folder: string,
  io: BringingIo,
  how: Pick<Making, 'replacesWhole'> = {},
): Promise<TensorflowCheck> {
  await build(variant, folder, io, how);
  return checkTensorflow(variant, io.signal);
}

async function build(
  variant: TensorflowVariant,
  folder: string,
  io: BringingIo,
  how: Pick<Making, 'replacesWhole'>,
): Promise<void> {
  const { wheels, download } = TENSORFLOW_WHEELS[variant];
  const more = wheels.length > 1 ? `, ${wheels.length - 1} wheels of NVIDIA's` : '';
  const what = `${wheels[0].replace('==', ' ')}${more} and ${TFJS_NODE[variant]} ${npmPackages.dependencies[TFJS_NODE[variant]]}`;
  await runCompiler(['--version'], process.cwd(), io.signal); // Where there is none, that is told before anything comes.
  io.stderr.write(`bringing ${what} (about ${download}, once) into ${folder}\n`);
  try {
    await makeWhole(folder, {
      ...how,
      isWhole: (made) => isWhole(made, variant),
      async fill(made) {
        await bringPackages(made, io.signal);
        await pipInstall({ wheels, target: join(made, 'wheels'), flags: FOR_PYTHON }, io);
        io.stderr.write('compiling the binding with g++\n');
        await compile(made, variant, io.signal);
        await prune(made);
        await writeFile(join(made, CONTENTS), await contentsFor(made, variant));
      },
    });
  } catch (error) {
    throwIfInterrupted(io.signal);
    const own = error instanceof UserError ? error.hint : CACHE_HINTS[errorCode(error)];
    throw new UserError(
      `can't build ${what}: ${messageOf(error)}`,
      own ?? pipRemedy(messageOf(error), TENSORFLOW_SETUP[variant]),
    );
  }
}

/** tfjs-node for both variants, a few MB of it, and Node's headers, as the lock has them that the build has copied. */
async function bringPackages(folder: string, signal: AbortSignal): Promise<void> {
  for (const name of ['package.json', 'package-lock.json'])
    await copyFile(builtAsset(`tensorflow/${name}`), join(folder, name));
  await npmCi(folder, signal);
}

/** @throws UserError where there is no g++, or it does not compile */
async function runCompiler(args: readonly string[], cwd: string, signal: AbortSignal): Promise<void> {
  const { code, stderr } = await runProgram({ file: 'g++', args, cwd, env: process.env }, signal).catch(
    (error: unknown) => {
      throw errorCode(error) === 'ENOENT'
        ? new UserError(
            'no g++ is on the PATH, which the binding is compiled with',
            'Install it (sudo apt-get install g++), then run the command again.',
          )
        : error;
    },
  );
  throwIfInterrupted(signal);
  if (code === 0) return;
  const errors = stderr.split('\n').filter((line) => /error/i.test(line));
  throw new UserError(
    `g++ ended with ${code}: ${errors.slice(0, 2).join('; ') || stderr.trim()}`,
    "TensorFlow's headers are written in C++17, which g++ knows from version 8 on.",
  );
}

const bindingIn = (variant: TensorflowVariant): string => join('node_modules', TFJS_NODE[variant], BINDING);

async function compile(folder: string, variant: TensorflowVariant, signal: AbortSignal): Promise<void> {
  const sources = join('node_modules', TFJS_NODE[variant], 'binding');
  const tensorflow = join('wheels', 'tensorflow');
  const binding = bindingIn(variant);
  await mkdir(join(folder, binding, '..'), { recursive: true });
  // Relative to the binding, for the folder is moved to its place when all is there.
  const libraries = `$ORIGIN/${relative(join(binding, '..'), tensorflow)}`;
  const args = [
    ...['-O2', '-std=gnu++17', '-fPIC', '-shared', '-DNAPI_VERSION=8'],
    ...['-I', join('node_modules', 'node-api-headers', 'include'), '-I', join(tensorflow, 'include')],
    ...['tfjs_backend.cc', 'tfjs_binding.cc'].map((name) => join(sources, name)),
    ...LIBRARIES.map((name) => join(tensorflow, name)),
    ...[`-Wl,-rpath,${libraries}`, '-o', binding],
  ];
  await runCompiler(args, folder, signal);
}

async function prune(folder: string): Promise<void> {
  const wheels = join(folder, 'wheels');
  for (const name of await readdir(join(wheels, 'tensorflow')))
    if (!KEPT.includes(name)) await rm(join(wheels, 'tensorflow', name), { recursive: true });
  await rm(join(wheels, 'bin'), { recursive: true, force: true }); // programs in Python
}

/** The text of contents.json for what lies in a folder. */
async function contentsFor(folder: string, variant: TensorflowVariant): Promise<string> {
  const from = { wheels: TENSORFLOW_WHEELS[variant].wheels, packages: npmPackages.dependencies };
  const files = [bindingIn(variant), ...LIBRARIES.map((name) => join('wheels', 'tensorflow', name))];
  const bytes = await Promise.all(files.map(async (name) => [name, (await stat(join(folder, name))).size] as const));
  return `${JSON.stringify({ ...from, bytes: Object.fromEntries(bytes) }, null, 2)}\n`;
}

async function isWhole(folder: string, variant: TensorflowVariant): Promise<boolean> {
  if (!(await exists(join(folder, CONTENTS)))) return false;
  try {
    return (await readFile(join(folder, CONTENTS), 'utf8')) === (await contentsFor(folder, variant));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false; // A file that was there is gone.
    throw error;
  }
}
