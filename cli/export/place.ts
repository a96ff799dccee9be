/** Where an export goes: what is there already is left alone, or replaced where an export wrote it. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { usageError } from '../io/errors.ts';
import { kindOf, writeJson } from '../io/files.ts';
import { VERSION } from '../version.ts';
import { FACTOR_FILES } from './factors.ts';
import { ADAPTER_FILES } from './peft.ts';

/** Tells that an export wrote a folder: its other files have the names that any model's have. */
const RECORD = 'slim-export.json';

/** Every file that an export writes into a folder, and so all that --overwrite ever replaces. */
const WRITTEN: readonly string[] = [
  RECORD,
  'model.onnx',
  'model.safetensors',
  'config.json',
  'preprocessor_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  ...FACTOR_FILES,
  ...ADAPTER_FILES,
];

/** Usage errors say what is in the way. */
export async function expectFree(out: string, isFile: boolean, overwrite: boolean): Promise<void> {
  const kind = await kindOf(out);
  if (kind === 'absent') return;
  if (isFile !== (kind === 'file'))
    throw usageError(`--out ${out} is a ${kind}, expected a ${isFile ? 'file' : 'folder'}`, 'Choose another name.');
  const names = isFile ? [] : await readdir(out);
  if (!isFile && names.length === 0) return;
  if (!overwrite)
    throw usageError(`--out ${out} already exists`, 'Choose another name, or replace it with --overwrite.');
  if (!isFile && !names.includes(RECORD))
    throw usageError(
      `--out ${out} has no ${RECORD}, so no export wrote it, and --overwrite leaves the folder alone`,
      'Choose another folder.',
    );
  const foreign = names.find((name) => !WRITTEN.includes(name));
  if (foreign !== undefined)
    throw usageError(
      `--out ${out} has a ${foreign}, which no export writes, so --overwrite leaves the folder alone`,
      'Choose another folder.',
    );
}

/** Writes the record that lets a later export replace the folder. */
export async function saveExportRecord(folder: string, to: string): Promise<void> {
  await writeJson(join(folder, RECORD), { version: 1, slim: VERSION, to });
}
