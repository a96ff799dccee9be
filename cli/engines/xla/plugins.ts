/** Where PJRT plugins are found. They come as Python wheels, whose files lie alike wherever they were installed. */
import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';
import { cacheFolder } from '../../io/cache-folder.ts';
import { UserError } from '../../io/errors.ts';

/** What PJRT calls its platforms. */
export const PLATFORMS = ['cuda', 'rocm', 'tpu', 'cpu'] as const;
/** One of them. */
export type Platform = (typeof PLATFORMS)[number];

interface PluginPlace {
  /** Folders and files below site-packages, the newest first; `*` stands for digits. */
  readonly files: readonly string[];
  /** The wheel, for people. */
  readonly wheel: string;
  /** What `slim setup` calls it. */
  readonly setup: string;
  /** Files that are there where a driver has found a device. */
  readonly hardware: readonly string[];
}

const PLACES: Readonly<Record<Platform, PluginPlace>> = {
  cuda: {
    files: ['jax_plugins/xla_cuda*/xla_cuda_plugin.so'],
    wheel: 'jax-cuda13-pjrt or jax-cuda12-pjrt',
    setup: 'cuda',
    hardware: ['/dev/nvidiactl', '/dev/dxg'],
  },
  rocm: {
    files: ['jax_plugins/xla_rocm*/xla_rocm_plugin.so'],
    wheel: 'jax-rocm7-pjrt or jax-rocm60-pjrt',
    setup: 'rocm',
    hardware: ['/dev/kfd'],
  },
  tpu: { files: ['libtpu/libtpu.so'], wheel: 'libtpu', setup: 'tpu', hardware: ['/dev/accel0', '/dev/vfio/0'] },
  cpu: {
    files: ['lammps_jax_pjrt_cpu/pjrt_c_api_cpu_plugin.so'],
    wheel: 'lammps-jax-pjrt-cpu',
    setup: 'xla-cpu',
    hardware: [],
  },
};

/** A plugin's file, and what it computes on. */
export interface FoundPlugin {
  readonly path: string;
  /** Null where SLIM_PJRT_PLUGIN names a file that doesn't tell. */
  readonly platform: Platform | null;
}

/** The folder that `slim setup` has pip install a platform's wheels into: `pip install --target FOLDER WHEEL`. */
export function pluginFolder(platform: Platform): string {
  return join(cacheFolder(), 'plugins', platform);
}

/** The plugin that SLIM_PJRT_PLUGIN names, which goes before any that is found; null where it isn't set. */
export function namedPlugin(): FoundPlugin | null {
  const path = process.env.SLIM_PJRT_PLUGIN;
  if (!path) return null;
  return { path, platform: PLATFORMS.find((platform) => basename(path).includes(platform)) ?? null };
}

/** The plugin of a platform: `slim setup`'s, else one that came with a JAX. Null where there is none. */
export function findPlugin(platform: Platform): FoundPlugin | null {
  for (const packages of [pluginFolder(platform), ...sitePackages()])
    for (const file of PLACES[platform].files) {
      const path = newest(packages, file);
      if (path !== null) return { path, platform };
    }
  return null;
}

/**
 * The plugin that is named, else the platform's. UserError where there is none, with the command that brings it, and
 * where the one that is named is another platform's.
 */
export function requirePlugin(platform: Platform, flag: string): FoundPlugin {
  const named = namedPlugin();
  if (named?.platform && named.platform !== platform)
    throw new UserError(
      `${flag}: SLIM_PJRT_PLUGIN names ${named.path}, which computes on ${named.platform}`,
      'Leave it out, or name another.',
    );
  const found = named ?? findPlugin(platform);
  if (found) return found;
  const { wheel } = PLACES[platform];
  const hasDevice = platform === 'cpu' || hasHardware(platform);
  throw new UserError(
    `${flag}: ${hasDevice ? '' : `no driver for ${platform} has found a device, and `}no PJRT plugin for ${platform} is ` +
      `here: neither in ${pluginFolder(platform)} nor in Python's site-packages (wheel ${wheel}), ` +
      'and SLIM_PJRT_PLUGIN names none',
    hasDevice ? `${setupCommand(platform)} brings it.` : `With a device and its driver: ${setupCommand(platform)}.`,
  );
}

/** Whether a device of the platform seems to be here: what can be told without opening a plugin. */
export function hasHardware(platform: Platform): boolean {
  return PLACES[platform].hardware.some((file) => existsSync(file));
}

/** The command that brings a platform's plugin. */
export function setupCommand(platform: Platform): string {
  return `slim setup ${PLACES[platform].setup}`;
}

/** The file that a pattern with one `*` names below a folder; of several the one with the highest number. */
function newest(folder: string, pattern: string): string | null {
  if (!pattern.includes('*')) return existsSync(join(folder, pattern)) ? join(folder, pattern) : null;
  const parent = join(folder, dirname(dirname(pattern)));
  const [prefix, rest] = pattern.slice(dirname(dirname(pattern)).length + 1).split('*');
  const numberOf = (name: string): number => Number(/\d+/.exec(name)?.[0] ?? 0);
  const names = existsSync(parent) ? readdirSync(parent).filter((name) => name.startsWith(prefix)) : [];
  const paths = names.sort((a, b) => numberOf(b) - numberOf(a)).map((name) => join(parent, name) + rest);
  return paths.find((path) => existsSync(path)) ?? null;
}

/** Site-packages of the active environment, of every Python on the PATH, and of the user. */
function sitePackages(): string[] {
  const onPath = (process.env.PATH ?? '').split(delimiter).filter((folder) => existsSync(join(folder, 'python3')));
  const prefixes = [
    ...[process.env.VIRTUAL_ENV, process.env.CONDA_PREFIX].flatMap((prefix) => (prefix ? [prefix] : [])),
    ...onPath.map((folder) => dirname(folder)),
    ...onPath.map((folder) => dirname(dirname(realpathSync(join(folder, 'python3'))))), // /usr/local/bin often links
    '/usr/local',
    join(homedir(), '.local'),
  ];
  return [...new Set(prefixes)].flatMap((prefix) => {
    const lib = join(prefix, 'lib');
    const pythons = existsSync(lib) ? readdirSync(lib).filter((name) => /^python3/.test(name)) : [];
    return pythons.flatMap((python) =>
      ['site-packages', 'dist-packages'].map((folder) => join(lib, python, folder)).filter((path) => existsSync(path)),
    );
  });
}
