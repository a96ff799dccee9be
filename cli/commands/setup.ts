import { Argument, type Command } from 'commander';
import { addResultOptions, createCommand, resolveFlags } from '../args.ts';
import { usageError } from '../io/errors.ts';
import type { Io } from '../io/io.ts';
import { PACKAGE_SETS, type PackageSet, requirePackages } from '../setup/packages.ts';
import { PLUGIN_SETS, type PluginSet, setUpPlugin } from '../setup/plugins.ts';
import { setUpTensorflow } from '../setup/tensorflow.ts';
import { printResult } from './result.ts';

interface SetupFlags {
  readonly json: boolean;
  readonly gpu: boolean;
}

/** What is built here, of parts that npm and pip bring. */
const TENSORFLOW = 'tensorflow';

/**
 * `slim setup`: brings ahead of time what commands otherwise bring when they first need it, such as for an image; and
 * what lets other devices than the CPU compute, which nothing brings unasked.
 */
export function setupCommand(io: Io): Command {
  const command = createCommand(
    'setup',
    'bring what training needs: onnxruntime, or what GPUs need',
    `Brings what is too large to come with slim into its cache (SLIM_CACHE, else slim in the system's folder for caches).

onnxruntime and tfjs by npm, without install scripts; just the versions, and the very bytes, that this slim was tested
with. Commands that need them bring them on first use: onnxruntime for finetune, train, evaluate, quantize, bench and
demo; tfjs for --engine tfjs. Serving, predicting and deploying need neither.

cuda, rocm, tpu and xla-cpu by Python's pip: the PJRT plugin that the xla engine computes with, for --device cuda, rocm
and tpu, and for --engine xla on a CPU. cuda takes the CUDA libraries that fit the driver along, rocm needs ROCm 7
installed. In the end the plugin has to compute a product here. A plugin that came with a JAX is found without setup.

tensorflow for --engine tfjs on Linux (x86-64): TensorFlow's libraries from the wheel that pip brings, and the binding of
tfjs-node, which npm brings and g++ compiles; with --gpu those of tfjs-node-gpu, for --device cuda. Both may be here.`,
    ['slim setup onnxruntime', 'slim setup cuda', 'slim setup tensorflow'],
  )
    .addArgument(
      new Argument('<what>', 'what to bring').choices([
        ...Object.keys(PACKAGE_SETS),
        TENSORFLOW,
        ...Object.keys(PLUGIN_SETS),
      ]),
    )
    .option('--gpu', "of tensorflow, the one for NVIDIA's GPUs");
  addResultOptions(command);
  return command.action(async (what: PackageSet | PluginSet | typeof TENSORFLOW) => {
    const { json, gpu } = await resolveFlags<SetupFlags>(command);
    if (gpu && what !== TENSORFLOW)
      throw usageError(`--gpu is for slim setup tensorflow, not for ${what}`, 'Leave it out.');
    if (what === TENSORFLOW) {
      const { folder, description } = await setUpTensorflow(gpu ? 'gpu' : 'cpu', io);
      printResult(io, json, { folder, computes: description }, `${what} is in ${folder}: ${description}`);
      return;
    }
    if (isPlugin(what)) {
      const { path, folder, description } = await setUpPlugin(what, io);
      printResult(io, json, { plugin: path, folder, computes: description }, `${what} is in ${folder}: ${description}`);
      return;
    }
    const { folder } = await requirePackages(what, io);
    printResult(io, json, { packages: PACKAGE_SETS[what].packages, folder }, `${what} is in ${folder}`);
  });
}

function isPlugin(what: PackageSet | PluginSet): what is PluginSet {
  return what in PLUGIN_SETS;
}
