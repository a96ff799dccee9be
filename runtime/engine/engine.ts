/**
 * The plan's interpreter: weights and arena in one linear memory, and a list of kernel calls bound to their operands.
 */
import type { Artifact } from '../artifact/artifact.ts';
import { ArtifactError, span } from '../artifact/errors.ts';
import type { Plan, PlanInput } from '../artifact/plan.ts';
import { memoryLayout } from '../artifact/plan-memory.ts';
import { elementCount } from '../artifact/safetensors.ts';
import { instantiateKernels, type Kernels } from '../kernels/kernels.ts';
import { bindSteps } from './bind.ts';

/** One sample: the values of each of the plan's inputs, row by row. */
export type Inputs = Readonly<Record<string, Float32Array | Int32Array>>;

/** A model that answers, with a memory of its own: one sample at a time, on the thread that asks. */
export interface Engine {
  /** By name, with the largest shape that `infer` takes, e.g. pixels of [1, 3, 224, 224]. */
  readonly inputs: readonly EngineInput[];
  /** All of it: weights, buffers, scratch. */
  readonly memoryBytes: number;
  /**
   * Runs the model on one sample and returns its logits. Nothing but the result is allocated. A text may be shorter
   * than its input's shape, and costs less then.
   * @throws RangeError when an input is missing, of the wrong length, or an id outside its vocabulary.
   */
  infer(inputs: Inputs): Float32Array;
  /**
   * Runs a batch, sample by sample: rows of several samples would share nothing but weights, which are in the cache
   * anyway.
   */
  inferBatch(batch: readonly Inputs[]): Float32Array[];
}

/** What `infer` takes under this name: a Float32Array (F32) or an Int32Array (I32). */
export interface EngineInput extends Pick<PlanInput, 'name' | 'dtype' | 'shape'> {
  /** Integer values lie below this; null for floats. */
  readonly vocabulary: number | null;
}

const PAGE_BYTES = 65_536;

/**
 * Makes an engine of an artifact that `readArtifact` checked. The host compiles `kernelsModule`, since some forbid
 * compiling from bytes. Copies the weights: the artifact's bytes may go afterwards.
 * @throws ArtifactError (memory) when the host can't give the memory.
 */
export function createEngine(artifact: Artifact, kernelsModule: WebAssembly.Module): Engine {
  return createEngineWith(artifact, (memory) => instantiateKernels(kernelsModule, memory));
}

/** `createEngine` with any implementation of the kernels, such as the scalar reference. */
export function createEngineWith(artifact: Artifact, kernelsOn: (memory: WebAssembly.Memory) => Kernels): Engine {
  const { plan } = artifact.manifest;
  const layout = memoryLayout(artifact.data.length, plan, artifact.entries);
  const memory = allocate(layout.bytes);
  new Uint8Array(memory.buffer).set(artifact.data, layout.weights);
  const calls = bindSteps(artifact, layout, kernelsOn(memory));
  const inputs = plan.inputs.map((input) => inputView(memory, layout.arena, input, plan));
  const output = new Float32Array(memory.buffer, layout.arena + plan.output.offset, elementCount(plan.output.shape));

  const arena = new Uint8Array(memory.buffer, layout.arena, plan.arenaBytes);

  function infer(given: Inputs): Float32Array {
    // What a plan reads before it writes it is zero, never another answer's.
    arena.fill(0);
    const tokens = writeInputs(inputs, given);
    for (const call of calls) call(tokens);
    return output.slice();
  }

  return {
    inputs: inputs.map(({ input }) => input),
    memoryBytes: memory.buffer.byteLength,
    infer,
    inferBatch: (batch) => batch.map(infer),
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

/** Where the host writes an input. */
interface InputView {
  readonly input: EngineInput;
  readonly values: Float32Array | Int32Array;
  /** Whether it may be shorter than its shape. */
  readonly varies: boolean;
}

function inputView(
  { buffer }: WebAssembly.Memory,
  arena: number,
  { name, dtype, offset, shape }: PlanInput,
  plan: Plan,
): InputView {
  const View = dtype === 'I32' ? Int32Array : Float32Array;
  const values = new View(buffer, arena + offset, elementCount(shape));
  return {
    input: { name, dtype, shape, vocabulary: vocabularyOf(plan, offset) },
    values,
    varies: dtype === 'I32' && plan.tokens !== null,
  };
}

/** How many rows the table has that an input's values look up; null where they look up nothing. */
export function vocabularyOf({ steps }: Plan, offset: number): number | null {
  for (const step of steps) if (step.op === 'embedding' && step.ids === offset) return step.entries;
  return null;
}

/** Writes all inputs and returns the sequence's length, 1 where there is none. */
function writeInputs(inputs: readonly InputView[], given: Inputs): number {
  let tokens: number | null = null;
  for (const {
    input: { name, shape, vocabulary },
    values,
    varies,
  } of inputs) {
    const value = given[name];
    const most = varies && tokens !== null ? tokens : values.length;
    const least = varies && tokens === null ? 1 : most;
    if (!(value?.length >= least && value.length <= most)) {
      throw new RangeError(
        `infer: expected ${span(least, most)} values for ${name} of shape [${shape}], got ${value?.length ?? 'none'}`,
      );
    }
    if (values instanceof Int32Array) checkIds(name, value, vocabulary ?? 2 ** 31);
    values.set(value);
    if (varies) tokens = value.length;
  }
  return tokens ?? 1;
}

function checkIds(name: string, ids: Float32Array | Int32Array, vocabulary: number): void {
  for (const id of ids) {
    if (!(Number.isInteger(id) && id >= 0 && id < vocabulary))
      throw new RangeError(`infer: expected ${name} from ${span(0, vocabulary - 1)}, got ${id}`);
  }
}
