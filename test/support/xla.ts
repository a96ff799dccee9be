/** The plugin that the xla engine is tested on: one for the CPU in CI, a GPU's on a machine that has one. */
import type { Engine } from '../../cli/engines/engine.ts';
import type { Precision } from '../../cli/engines/precision.ts';
import { createXlaEngine } from '../../cli/engines/xla/engine.ts';
import { namedPlugin } from '../../cli/engines/xla/plugins.ts';
import type { ProgramCache } from '../../cli/engines/xla/program-cache.ts';
import { notInstalled, pjrtPlugin } from '../contract/hosts/installed.ts';

/** Its file; null where there is none. */
export const cpuPlugin = pjrtPlugin;
const platform = namedPlugin()?.platform ?? null;

/** Why a test of xla is skipped; null where it runs. */
export const withoutXla =
  cpuPlugin === null ? notInstalled('slim setup xla-cpu, and its path in SLIM_PJRT_PLUGIN') : null;
/** The same of a test of what only a GPU can show. */
export const withoutGpu =
  withoutXla ?? (platform === 'cuda' || platform === 'rocm' ? null : "a GPU's plugin in SLIM_PJRT_PLUGIN");
/** The same of a test that takes several devices: a plugin for the CPU shows four, a GPU's as many as there are. */
export const withoutSeveral =
  withoutXla ?? (platform === 'cpu' || platform === null ? null : 'several devices, as a plugin for the CPU shows');
// Half the time of compiling, which is most of a test's; read when a plugin is loaded. A GPU is tested as it is used.
if (platform === 'cpu' || platform === null)
  process.env.XLA_FLAGS ??= '--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true';

/** The engine on that plugin. Programs are compiled anew, unless a cache is given. */
export function createTestXlaEngine(
  options: { readonly precision?: Precision; readonly devices?: number; readonly cache?: ProgramCache } = {},
): Promise<Engine> {
  if (cpuPlugin === null) throw new Error(withoutXla!);
  return createXlaEngine({ plugin: cpuPlugin, platform, cache: null, ...options });
}
