import type { Command } from 'commander';
import { addBaseOption, addResultOptions, type BaseFlags, createCommand, required, resolveFlags } from '../args.ts';
import { usageError } from '../io/errors.ts';
import { kindOf, writeFileAtomic } from '../io/files.ts';
import type { Io } from '../io/io.ts';
import { formatBytes } from '../io/units.ts';
import { packTrained } from '../train/pack-trained.ts';
import { loadTrainedModel } from '../train/trained-model.ts';
import { printResult } from './result.ts';

/** What `runPack` takes; `out` is a file, NAME.slim. */
export interface PackFlags extends BaseFlags {
  readonly out?: string;
  readonly overwrite: boolean;
  readonly json: boolean;
}

/** The artifact that was written: where, how large, and how the weights of its linear layers are stored. */
export interface PackResult {
  readonly file: string;
  readonly bytes: number;
  readonly precision: 'f32' | 'int8' | 'int4';
}

/** `slim pack`, which `runPack` is. */
export function packCommand(io: Io): Command {
  const command = createCommand(
    'pack',
    'one .slim file of a run',
    `Packs a run into one artifact: weights, plan, labels, preprocessing and record. It is a valid safetensors file. The
same run gives the same bytes.`,
    ['slim pack runs/int8 --out model.slim'],
  )
    .argument('<run>', 'a run, or a Hugging Face folder')
    .option('--out <file>', 'the artifact, NAME.slim')
    .option('--overwrite', 'replace an existing file');
  addBaseOption(command);
  addResultOptions(command);
  return command.action(async (path: string) => {
    const flags = await resolveFlags<PackFlags>(command);
    const result = await runPack(path, flags);
    printResult(
      io,
      flags.json,
      { ...result },
      `packed: ${result.file}, ${formatBytes(result.bytes)} (${result.precision})`,
    );
  });
}

/** `slim pack` */
export async function runPack(path: string, flags: PackFlags): Promise<PackResult> {
  const file = required(flags.out, '--out');
  if (!file.endsWith('.slim')) throw usageError(`--out ${file}: expected a name that ends with .slim`);
  const existing = await kindOf(file);
  if (existing === 'folder') throw usageError(`--out ${file} is a folder, expected a file`);
  if (existing === 'file' && !flags.overwrite)
    throw usageError(`--out ${file} already exists`, 'Choose another name, or replace it with --overwrite.');
  const trained = await loadTrainedModel(path, { base: flags.base });
  const bytes = await packTrained(trained);
  await writeFileAtomic(file, bytes);
  return { file, bytes: bytes.length, precision: trained.precision };
}
