/** Where an engine's time goes; a file of its own, so that no host carries it. */
import type { Artifact } from '../artifact/artifact.ts';
import type { StepOp } from '../artifact/steps.ts';
import { instantiateKernels, type Kernels } from '../kernels/kernels.ts';
import { createEngineWith, type Inputs } from './engine.ts';

export interface OperationTime {
  readonly op: StepOp;
  readonly calls: number;
  readonly ms: number;
}

/** What the calls of each kernel take on one sample, longest first. Measured on an engine of its own, after a sample to warm it up. */
export function profileArtifact(artifact: Artifact, kernelsModule: WebAssembly.Module, inputs: Inputs): readonly OperationTime[] {
  const totals = new Map<StepOp, { calls: number; ms: number }>();
  const engine = createEngineWith(artifact, (memory) => timed(instantiateKernels(kernelsModule, memory), totals));
  engine.infer(inputs);
  totals.clear();
  engine.infer(inputs);
  return [...totals].map(([op, total]) => ({ op, ...total })).sort((a, b) => b.ms - a.ms);
}

/** The kernels, adding up what each takes. */
function timed(kernels: Kernels, totals: Map<StepOp, { calls: number; ms: number }>): Kernels {
  const timedKernel = (op: StepOp, kernel: (...args: number[]) => void) => (...args: number[]): void => {
    const started = performance.now();
    kernel(...args);
    const { calls, ms } = totals.get(op) ?? { calls: 0, ms: 0 };
    totals.set(op, { calls: calls + 1, ms: ms + performance.now() - started });
  };
  return Object.fromEntries(Object.entries(kernels).map(([op, kernel]) => [op, timedKernel(op as StepOp, kernel)])) as unknown as Kernels;
}
