/**
 * The oracles and data beside the project. A test that needs them skips, with the reason printed, where they are
 * absent.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const sharedFolder = process.env.SLIM_SHARED ?? fileURLToPath(new URL('../../../shared', import.meta.url));
export const goldenFolder = process.env.SLIM_GOLDEN ?? `${sharedFolder}/golden`;

/** Whether a folder is there; says so where it isn't. */
export function present(folder: string): boolean {
  const found = existsSync(folder);
  if (!found) console.warn(`skipped: ${folder} is not there`);
  return found;
}
