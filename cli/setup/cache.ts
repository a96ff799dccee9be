import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * Where Slim keeps what it brings from the network, apart from models, which have the hub's own cache: `SLIM_CACHE`,
 * else `slim` in the folder that the system has for caches.
 */
export function cacheFolder(
  environment: Readonly<Record<string, string | undefined>> = process.env,
  platform: NodeJS.Platform = process.platform,
): string {
  if (environment.SLIM_CACHE) return environment.SLIM_CACHE;
  if (platform === 'win32') return join(environment.LOCALAPPDATA || join(homedir(), 'AppData', 'Local'), 'slim');
  if (platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'slim');
  return join(environment.XDG_CACHE_HOME || join(homedir(), '.cache'), 'slim');
}
