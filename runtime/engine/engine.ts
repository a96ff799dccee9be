/** The plan's interpreter: weights and arena in one linear memory, and a list of kernel calls bound to their operands. */
import type { Artifact } from '../artifact/artifact.ts';
import { ArtifactError } from '../artifact/errors.ts';
import { memoryLayout, type Plan, type PlanBuffer } from '../artifact/plan.ts';
import { elementCount } from '../artifact/safetensors.ts';
import { instantiateKernels, type Kernels } from '../kernels/kernels.ts';
import { bindStep, type Addresses } from './bind.ts';

export interface Engine {
  /** The shape that `infer` expects, e.g. [1, 3, 224, 224]. */
  readonly inputShape: readonly number[];
  readonly weightBytes: number;
  readonly arenaBytes: number;
  /**
   * Runs the model on one input, row by row as `inputShape` says, and returns its logits. Nothing but the result is allocated.
   * @throws RangeError when the input has another length.
   */
  infer(input: Float32Array): Float32Array;
}

const PAGE_BYTES = 65_536;

/**
 * Makes an engine of an artifact that `readArtifact` checked. The host compiles `kernelsModule`, since some forbid compiling from
 * bytes. Copies the weights: the artifact's bytes may go afterwards.
 * @throws ArtifactError (memory) when the host can't give the memory.
 */
export function createEngine(artifact: Artifact, kernelsModule: WebAssembly.Module): Engine {
  return createEngineWith(artifact, (memory) => instantiateKernels(kernelsModule, memory));
}

/** `createEngine` with any implementation of the kernels, such as the scalar reference. */
export function createEngineWith(artifact: Artifact, kernelsOn: (memory: WebAssembly.Memory) => Kernels): Engine {
  const { plan } = artifact.manifest;
  const layout = memoryLayout(artifact.data.length, plan.arenaBytes);
  const memory = allocate(layout.bytes);
  new Uint8Array(memory.buffer).set(artifact.data, layout.weights);

  const kernels = kernelsOn(memory);
  const addresses: Addresses = {
    arena: (offset) => layout.arena + offset,
    tensor: (name) => layout.weights + tensorBegin(artifact, name),
  };
  for (const step of plan.once) bindStep(step, kernels, addresses)();
  const calls = plan.steps.map((step) => bindStep(step, kernels, addresses));
  const { input, output } = interfaceViews(memory, layout.arena, plan);

  return {
    inputShape: plan.input.shape,
    weightBytes: artifact.data.length,
    arenaBytes: plan.arenaBytes,
    infer(values) {
      if (values.length !== input.length) {
        throw new RangeError(`infer: expected ${input.length} values for shape [${plan.input.shape}], got ${values.length}`);
      }
      input.set(values);
      for (const call of calls) call();
      return output.slice();
    },
  };
}

function allocate(bytes: number): WebAssembly.Memory {
  const pages = Math.ceil(bytes / PAGE_BYTES);
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages });
  } catch (error) {
    throw new ArtifactError('memory', `the host can't give ${bytes} bytes of memory: ${(error as Error).message}`);
  }
}

function tensorBegin({ entries }: Artifact, name: string): number {
  const entry = entries.get(name);
  if (entry === undefined) throw new Error(`the plan was not checked: no tensor ${name}`);
  return entry.begin;
}

function interfaceViews(memory: WebAssembly.Memory, arena: number, plan: Plan): { input: Float32Array; output: Float32Array } {
  const view = ({ offset, shape }: PlanBuffer): Float32Array => new Float32Array(memory.buffer, arena + offset, elementCount(shape));
  return { input: view(plan.input), output: view(plan.output) };
}
