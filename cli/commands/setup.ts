import { Argument, type Command } from 'commander';
import { addResultOptions, createCommand, resolveFlags } from '../args.ts';
import type { Io } from '../io/io.ts';
import { installedIn, PACKAGE_SETS, type PackageSet, requireFrom } from '../setup/packages.ts';
import { printResult } from './result.ts';

interface SetupFlags {
  readonly json: boolean;
}

/** `slim setup`: brings ahead of time what commands otherwise bring when they first need it, such as for an image. */
export function setupCommand(io: Io): Command {
  const command = createCommand(
    'setup',
    'bring what training needs ahead of time',
    `Brings what is too large to come with slim into its cache (SLIM_CACHE, else slim in the system's folder for caches),
where the commands that need it would bring it on first use: onnxruntime for finetune, train, evaluate, quantize,
bench and demo; tfjs for --engine tfjs. Serving, predicting and deploying need neither. By npm, without install
scripts; just the versions, and the very bytes, that this slim was tested with.`,
    ['slim setup onnxruntime'],
  ).addArgument(new Argument('<what>', 'what to bring').choices(Object.keys(PACKAGE_SETS)));
  addResultOptions(command);
  return command.action(async (set: PackageSet) => {
    const { json } = await resolveFlags<SetupFlags>(command);
    await requireFrom(set, io);
    const folder = await installedIn(set);
    printResult(io, json, { packages: PACKAGE_SETS[set].packages, folder }, `${set} is in ${folder}`);
  });
}
