import { homedir } from 'node:os';
import { join } from 'node:path';
import { UserError } from '../io/errors.ts';

/**
 * Where Slim keeps what it brings from the network, apart from models, which have the hub's own cache: `SLIM_CACHE`,
 * else `slim` in the folder that the system has for caches.
 * @throws UserError where this user has no home
 */
export function cacheFolder(
  environment: Readonly<Record<string, string | undefined>> = process.env,
  platform: NodeJS.Platform = process.platform,
): string {
  if (environment.SLIM_CACHE) return environment.SLIM_CACHE;
  if (platform === 'win32') return join(environment.LOCALAPPDATA || join(home(), 'AppData', 'Local'), 'slim');
  if (platform === 'darwin') return join(home(), 'Library', 'Caches', 'slim');
  return join(environment.XDG_CACHE_HOME || join(home(), '.cache'), 'slim');
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
