import type { Build, HostAnswer, HostRequest } from './program.ts';

/** Where the runtime runs, as the contract suite sees it. */
export interface Host {
  readonly name: string;
  /** Why it can't run here; null where it can. */
  readonly absent: string | null;
  /** The builds of the kernels that it must be able to run. */
  readonly builds: readonly Build[];
  /** Runs the program that `folder` holds, see `buildPrograms`. */
  run(folder: string, request: HostRequest): Promise<HostAnswer>;
}
