/** Slim as it is installed: its build and its dependencies, without what comes on first use or is optional. */
import { cpSync, mkdirSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import manifest from '../../package.json' with { type: 'json' };
import { projectFolder } from './imports.ts';

/** Lays it out in a folder. Returns its command line, for Node to run. */
export function layOutInstallation(folder: string): string {
  for (const part of ['package.json', 'cli/bin.cjs', 'dist'])
    cpSync(join(projectFolder, part), join(folder, part), { recursive: true });
  for (const dependency of Object.keys(manifest.dependencies)) {
    mkdirSync(dirname(join(folder, 'node_modules', dependency)), { recursive: true });
    symlinkSync(join(projectFolder, 'node_modules', dependency), join(folder, 'node_modules', dependency));
  }
  return join(folder, 'cli', 'bin.cjs');
}
