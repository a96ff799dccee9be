/** Where Slim keeps what it can make or bring again: packages, compiled programs, plugins. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { UserError } from './errors.ts';

/**
 * SLIM_CACHE, else the system's place for caches: XDG_CACHE_HOME or ~/.cache, ~/Library/Caches on macOS, LOCALAPPDATA on
 * Windows.
 */
export function cacheFolder(environment: NodeJS.ProcessEnv = process.env, platform = process.platform): string {
  const { SLIM_CACHE, XDG_CACHE_HOME, LOCALAPPDATA } = environment;
  if (SLIM_CACHE) return SLIM_CACHE;
  if (platform === 'win32' && LOCALAPPDATA) return join(LOCALAPPDATA, 'slim', 'cache');
  if (platform === 'darwin' && !XDG_CACHE_HOME) return join(home(), 'Library', 'Caches', 'slim');
  return join(XDG_CACHE_HOME || join(home(), '.cache'), 'slim');
}

function home(): string {
  try {
    return homedir();
  } catch {
    throw new UserError(
      'this user has no home folder to keep a cache in',
      'Set SLIM_CACHE to a folder that you may write.',
    );
  }
}
