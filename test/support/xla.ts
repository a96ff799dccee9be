/** The CPU plugin that the xla engine is tested on. */
import type { Engine } from '../../cli/engines/engine.ts';
import type { Precision } from '../../cli/engines/precision.ts';
import { createXlaEngine } from '../../cli/engines/xla/engine.ts';
import type { ProgramCache } from '../../cli/engines/xla/program-cache.ts';

/** A plugin's file: .ci/run brings one (the wheel lammps-jax-pjrt-cpu) and names it. Undefined where there is none. */
export const cpuPlugin = process.env.SLIM_PJRT_PLUGIN;

/** Why a test of xla is skipped; undefined where it runs. Says so once. */
export const withoutXla = cpuPlugin ? undefined : 'SLIM_PJRT_PLUGIN names no PJRT plugin';
// Half the time of compiling, which is most of a test's; read when a plugin is loaded.
process.env.XLA_FLAGS ??= '--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true';
if (withoutXla) console.warn(`skipped, xla: ${withoutXla}`);

/** The engine on that plugin. Programs are compiled anew, unless a cache is given. */
export function createTestXlaEngine(
  options: { readonly precision?: Precision; readonly cache?: ProgramCache } = {},
): Promise<Engine> {
  if (!cpuPlugin) throw new Error(withoutXla);
  return createXlaEngine({ plugin: cpuPlugin, precision: options.precision, cache: options.cache ?? null });
}
