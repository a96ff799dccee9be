/** Where an engine's time goes; a file of its own, so that no host carries it. */
import type { Artifact } from '../artifact/artifact.ts';
import { instantiateKernels, type Kernels } from '../kernels/kernels.ts';
import { createEngineWith, type Inputs } from './engine.ts';

/** Of one sample: how often a kernel is called, and milliseconds of all these calls together. */
export interface OperationTime {
  /** The kernel. */
  readonly op: string;
  readonly calls: number;
  readonly ms: number;
}

/** Calls before, until the kernels are optimized, and calls that are averaged. */
const [WARM_UP, CALLS] = [5, 10];

/** What the calls of each kernel take on one sample, on average, longest first. Measured on an engine of its own. */
export function profileArtifact(
  artifact: Artifact,
  kernelsModule: WebAssembly.Module,
  inputs: Inputs,
): readonly OperationTime[] {
  const totals = new Map<string, { calls: number; ms: number }>();
  const engine = createEngineWith(artifact, (memory) => timed(instantiateKernels(kernelsModule, memory), totals));
  for (let i = 0; i < WARM_UP; i++) engine.infer(inputs);
  totals.clear();
  for (let i = 0; i < CALLS; i++) engine.infer(inputs);
  return [...totals]
    .map(([op, { calls, ms }]) => ({ op, calls: calls / CALLS, ms: ms / CALLS }))
    .sort((a, b) => b.ms - a.ms);
}

/** The kernels, adding up what each takes. */
function timed(kernels: Kernels, totals: Map<string, { calls: number; ms: number }>): Kernels {
  const timedKernel =
    (op: string, kernel: (...args: number[]) => void) =>
    (...args: number[]): void => {
      const started = performance.now();
      kernel(...args);
      const { calls, ms } = totals.get(op) ?? { calls: 0, ms: 0 };
      totals.set(op, { calls: calls + 1, ms: ms + performance.now() - started });
    };
  return Object.fromEntries(
    Object.entries(kernels).map(([op, kernel]) => [op, timedKernel(op, kernel)]),
  ) as unknown as Kernels;
}
