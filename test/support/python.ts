/** The Python that oracles run in, where there is one. */
import { spawnSync } from 'node:child_process';
import { notInstalled } from '../contract/hosts/installed.ts';

/** What SLIM_PYTHON names; null where it names none. */
export const python = process.env.SLIM_PYTHON || null;

/** Why a test that takes a library of Python's is skipped; null where it runs. */
export function withoutPython(library: string): string | null {
  const isThere = python !== null && spawnSync(python, ['-c', `import ${library}`]).status === 0;
  return isThere ? null : notInstalled(`${library} in a Python that SLIM_PYTHON names`);
}
