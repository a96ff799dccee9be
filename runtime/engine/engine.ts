/** The plan's interpreter: weights and arena in one linear memory, and a list of kernel calls bound to their operands. */
import type { Artifact } from '../artifact/artifact.ts';
import { ArtifactError } from '../artifact/errors.ts';
import { columnBytes, memoryLayout, sizesOf, type MemoryLayout } from '../artifact/plan-memory.ts';
import type { Plan, PlanInput, Step } from '../artifact/plan.ts';
import { elementCount } from '../artifact/safetensors.ts';
import { fieldsOf, scaleName } from '../artifact/steps.ts';
import { instantiateKernels, type Kernels } from '../kernels/kernels.ts';
import { bindStep, type Addresses, type Call } from './bind.ts';
import { tune } from './tune.ts';

/** One sample: the values of each of the plan's inputs, row by row. */
export type Inputs = Readonly<Record<string, Float32Array | Int32Array>>;

export interface Engine {
  /** By name, with the largest shape that `infer` takes, e.g. pixels of [1, 3, 224, 224]. */
  readonly inputs: readonly EngineInput[];
  readonly weightBytes: number;
  /** All of it: weights, buffers, scratch. */
  readonly memoryBytes: number;
  /**
   * Runs the model on one sample and returns its logits. Nothing but the result is allocated. A text may be shorter than its input's shape, and
   * costs less then.
   * @throws RangeError when an input is missing, of the wrong length, or an id outside its vocabulary.
   */
  infer(inputs: Inputs): Float32Array;
  /** Runs a batch, sample by sample: rows of several samples would share nothing but weights, which are in the cache anyway. */
  inferBatch(batch: readonly Inputs[]): Float32Array[];
  /** Runs one sample and tells what the calls of each kernel took, longest first. */
  profile(inputs: Inputs): readonly OperationTime[];
}

export interface EngineInput extends Pick<PlanInput, 'name' | 'dtype' | 'shape'> {
  /** Integer values lie below this; null for floats. */
  readonly vocabulary: number | null;
}

export interface OperationTime {
  readonly op: Step['op'];
  readonly calls: number;
  readonly ms: number;
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
  const layout = memoryLayout(artifact.data.length, plan);
  const memory = allocate(layout.bytes);
  new Uint8Array(memory.buffer).set(artifact.data, layout.weights);
  const kernels = kernelsOn(memory);
  const addresses = addressesOf(artifact, layout);
  for (const step of plan.steps) prepareStep(step, kernels, addresses);
  const calls = plan.steps.map((step) => bindStep(step, kernels, addresses));
  tune(kernels, plan, calls);
  const inputs = plan.inputs.map((input) => inputView(memory, layout.arena, input, plan));
  const output = new Float32Array(memory.buffer, layout.arena + plan.output.offset, elementCount(plan.output.shape));

  function infer(given: Inputs): Float32Array {
    const tokens = writeInputs(inputs, given);
    for (const call of calls) call(tokens);
    return output.slice();
  }

  return {
    inputs: inputs.map(({ name, dtype, shape, vocabulary }) => ({ name, dtype, shape, vocabulary })),
    weightBytes: artifact.data.length,
    memoryBytes: memory.buffer.byteLength,
    infer,
    inferBatch: (batch) => batch.map(infer),
    profile: (given) => profile(plan, calls, writeInputs(inputs, given)),
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

function addressesOf({ manifest: { plan }, entries }: Artifact, layout: MemoryLayout): Addresses {
  const columns = new Map<Step, Record<string, number>>();
  let next = layout.columns;
  for (const step of plan.steps) {
    const places: Record<string, number> = {};
    for (const { name, outputs } of int8Weights(step)) {
      places[name] = next;
      next += columnBytes(outputs);
    }
    columns.set(step, places);
  }
  const tensor = (name: string): number => layout.weights + entries.get(name)!.begin;
  return {
    arena: (offset) => layout.arena + offset,
    tensor,
    scales: (name) => (entries.get(name)!.dtype === 'I8' ? tensor(scaleName(name)) : 0),
    columns: (step, name) => columns.get(step)![name],
    scratch: layout.scratch,
  };
}

/** The int8 weights of a step, by field. A step's bias belongs to the last of them. */
function int8Weights(step: Step): { readonly name: string; readonly weight: string; readonly bias: string | null; readonly outputs: number; readonly inputs: number }[] {
  const values = step as unknown as Readonly<Record<string, string | null>>;
  const weights = fieldsOf(step.op).flatMap(([name, field]) => {
    if (field.kind !== 'tensor' || field.role !== 'int8') return [];
    const [outputs, inputs] = field.shape(sizesOf(step, null));
    return [{ name, weight: values[name] as string, bias: null as string | null, outputs, inputs }];
  });
  return weights.map((weight, i) => (i === weights.length - 1 ? { ...weight, bias: values.bias } : weight));
}

function prepareStep(step: Step, kernels: Kernels, { tensor, scales, columns }: Addresses): void {
  for (const { name, weight, bias, outputs, inputs } of int8Weights(step)) {
    kernels.prepareColumns(tensor(weight), scales(weight), bias === null ? 0 : tensor(bias), columns(step, name), inputs, outputs);
  }
}

/** Where the host writes an input. */
interface InputView extends EngineInput {
  readonly values: Float32Array | Int32Array;
  /** Whether it may be shorter than its shape. */
  readonly varies: boolean;
}

function inputView({ buffer }: WebAssembly.Memory, arena: number, { name, dtype, offset, shape }: PlanInput, plan: Plan): InputView {
  const View = dtype === 'I32' ? Int32Array : Float32Array;
  const values = new View(buffer, arena + offset, elementCount(shape));
  return { name, dtype, shape, values, vocabulary: vocabularyOf(plan, offset), varies: dtype === 'I32' && plan.tokens !== null };
}

/** How many rows the table has that an input's values look up; null where they look up nothing. */
function vocabularyOf({ steps }: Plan, offset: number): number | null {
  for (const step of steps) {
    if (step.op !== 'textEmbedding') continue;
    if (step.ids === offset) return step.words;
    if (step.types === offset) return step.kinds;
  }
  return null;
}

/** Writes all inputs and returns the sequence's length, 1 where there is none. */
function writeInputs(inputs: readonly InputView[], given: Inputs): number {
  let tokens = 0;
  for (const { name, dtype, shape, values, vocabulary, varies } of inputs) {
    const value = given[name];
    if (value === undefined) throw new RangeError(`infer: the input ${name} is missing`);
    const fits = varies ? value.length >= 1 && value.length <= values.length : value.length === values.length;
    if (!fits) {
      throw new RangeError(`infer: expected ${varies ? `1 to ${values.length}` : values.length} values for ${name} of shape [${shape}], got ${value.length}`);
    }
    if (varies && tokens !== 0 && value.length !== tokens) {
      throw new RangeError(`infer: expected ${tokens} values for ${name}, as many as for the input before, got ${value.length}`);
    }
    if (dtype === 'I32') checkIds(name, value, vocabulary);
    values.set(value);
    if (varies) tokens = value.length;
  }
  return Math.max(tokens, 1);
}

function checkIds(name: string, ids: Float32Array | Int32Array, vocabulary: number | null): void {
  for (const id of ids) {
    if (!Number.isInteger(id) || id < 0 || (vocabulary !== null && id >= vocabulary)) {
      throw new RangeError(`infer: expected ${name} from 0 to ${vocabulary === null ? 'below 2^31' : vocabulary - 1}, got ${id}`);
    }
  }
}

function profile({ steps }: Plan, calls: readonly Call[], tokens: number): readonly OperationTime[] {
  const totals = new Map<Step['op'], { calls: number; ms: number }>();
  calls.forEach((call, i) => {
    const started = performance.now();
    call(tokens);
    const total = totals.get(steps[i].op) ?? { calls: 0, ms: 0 };
    totals.set(steps[i].op, { calls: total.calls + 1, ms: total.ms + performance.now() - started });
  });
  return [...totals].map(([op, total]) => ({ op, ...total })).sort((a, b) => b.ms - a.ms);
}
