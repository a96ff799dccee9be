/**
 * The folder of `slim deploy --emit`: it appears whole or not at all, equal input gives equal bytes, and it is replaced
 * only where slim wrote it. `slim-deploy.json` in it tells that, and which of its files are slim's: others
 * (node_modules, .wrangler, notes) stay where they are.
 */
import { chmod, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { usageError } from '../io/errors.ts';
import { kindOf, readJson, writeFileAtomic } from '../io/files.ts';
import { replaceFolder } from '../io/replace-folder.ts';

/** By name. */
export type DeployFiles = Readonly<Record<string, string | Uint8Array>>;

const RECORD = 'slim-deploy.json';
const RECORD_VERSION = 1;

interface FolderRecord {
  readonly version: typeof RECORD_VERSION;
  readonly target: string;
  readonly files: readonly string[];
}

/**
 * Writes the files for a target. Usage errors say what is in the way; with `overwrite`, what slim wrote there before is
 * not.
 */
export async function writeDeployFolder(
  path: string,
  target: string,
  files: DeployFiles,
  overwrite: boolean,
): Promise<void> {
  const folder = resolve(path);
  const foreign = await expectReplaceable(folder, files, overwrite);
  const record: FolderRecord = { version: RECORD_VERSION, target, files: Object.keys(files).sort() };
  const contents = { ...files, [RECORD]: `${JSON.stringify(record, null, 2)}\n` };
  await replaceFolder(
    folder,
    async (written) => {
      for (const [name, content] of Object.entries(contents)) {
        await writeFileAtomic(join(written, name), content);
        await chmod(join(written, name), 0o644);
      }
    },
    foreign,
  );
}

/** What is in the folder that slim did not write. Throws usage errors where the folder has to stay as it is. */
async function expectReplaceable(folder: string, files: DeployFiles, overwrite: boolean): Promise<readonly string[]> {
  const kind = await kindOf(folder);
  if (kind === 'absent') return [];
  if (kind === 'file') throw usageError(`--emit ${folder} is a file, expected a folder`);
  const names = await readdir(folder);
  if (names.length === 0) return [];
  const record = names.includes(RECORD)
    ? ((await readJson(join(folder, RECORD))) as Partial<FolderRecord> | null)
    : null;
  if (record?.version !== RECORD_VERSION || !Array.isArray(record.files))
    throw usageError(`--emit ${folder} has files that slim deploy did not write`, 'Choose another folder.');
  if (!overwrite)
    throw usageError(
      `--emit ${folder} already exists`,
      'Choose another folder, or replace what slim wrote there (--overwrite).',
    );
  const foreign = names.filter((name) => name !== RECORD && !record.files!.includes(name));
  const clash = foreign.find((name) => Object.hasOwn(files, name));
  if (clash !== undefined)
    throw usageError(
      `--emit ${folder} has a ${clash} that slim deploy did not write`,
      'Move it away, or choose another folder.',
    );
  return foreign;
}
