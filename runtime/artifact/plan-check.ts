import { ArtifactError, shown } from './errors.ts';
import { ALIGNMENT, memoryLayout, STEP_FIELDS, type Limits, type Plan, type Step } from './plan.ts';
import { elementCount, type Dtype, type TensorEntry } from './safetensors.ts';

/** Keeps 127 · 128 · inputs, twice, inside an int32. */
const MAX_INT8_INPUTS = 65_536;

/**
 * Checks that a plan can run safely: operands aligned and inside the arena, outputs apart from inputs, tensors present with
 * the dtype and shape that the step needs, and memory and work within the limits.
 * @throws ArtifactError (plan, name, dtype, shape, memory or work) naming the step.
 */
export function checkPlan(plan: Plan, entries: ReadonlyMap<string, TensorEntry>, weightBytes: number, limits: Limits): void {
  const { bytes } = memoryLayout(weightBytes, plan.arenaBytes);
  if (bytes > limits.memoryBytes) {
    const parts = `weights ${weightBytes}, arena ${plan.arenaBytes}`;
    throw new ArtifactError('memory', `the model needs ${bytes} bytes of memory (${parts}), the limit is ${limits.memoryBytes}`);
  }
  checkRegion('plan.input', { what: 'offset', offset: plan.input.offset, bytes: 4 * elementCount(plan.input.shape) }, plan.arenaBytes);
  checkRegion('plan.output', { what: 'offset', offset: plan.output.offset, bytes: 4 * elementCount(plan.output.shape) }, plan.arenaBytes);
  plan.once.forEach((step, i) => checkStep(`plan.once[${i}] (${step.op})`, step, plan.arenaBytes, entries));
  plan.steps.forEach((step, i) => checkStep(`plan.steps[${i}] (${step.op})`, step, plan.arenaBytes, entries));
  const operations = [...plan.once, ...plan.steps].reduce((sum, step) => sum + operationsOf(step), 0);
  if (operations > limits.operations) {
    throw new ArtifactError('work', `an answer would take ${operations} operations, the limit is ${limits.operations}`);
  }
}

/** How much a step computes, from above: the product of its sizes, which is exact for linear layers. */
function operationsOf(step: Step): number {
  const sizes = Object.entries(STEP_FIELDS[step.op]).filter(([, kind]) => kind === 'size');
  const product = sizes.reduce((count, [field]) => count * (step as unknown as Record<string, number>)[field], 1);
  return step.op === 'attention' ? product * step.tokens : product;
}

interface Region {
  readonly what: string;
  readonly offset: number;
  readonly bytes: number;
}

interface TensorOperand {
  readonly name: string | null;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
}

/** What a step touches, and what must hold of its sizes. */
interface Operands {
  readonly reads: readonly Region[];
  readonly writes: readonly Region[];
  readonly tensors?: readonly TensorOperand[];
  readonly requires?: readonly (readonly [holds: boolean, what: string])[];
}

function operandsOf(step: Step): Operands {
  switch (step.op) {
    case 'patchify': {
      const elements = step.channels * step.height * step.width;
      return {
        reads: [words('pixels', step.pixels, elements)],
        writes: [words('out', step.out, elements)],
        requires: [[step.height % step.patch === 0 && step.width % step.patch === 0, 'height and width to be multiples of patch']],
      };
    }
    case 'linear':
      return {
        reads: [words('x', step.x, step.rows * step.inputs)],
        writes: [words('out', step.out, step.rows * step.outputs)],
        tensors: [tensor(step.weight, 'F32', step.outputs, step.inputs), tensor(step.bias, 'F32', step.outputs)],
      };
    case 'quantizeRows':
      return {
        reads: [words('x', step.x, step.rows * step.columns)],
        writes: [
          { what: 'quantized', offset: step.quantized, bytes: step.rows * step.columns },
          words('scales', step.scales, step.rows),
          words('zeros', step.zeros, step.rows),
        ],
      };
    case 'sumRows':
      return {
        reads: [],
        writes: [words('out', step.out, step.rows)],
        tensors: [tensor(step.weight, 'I8', step.rows, step.columns)],
      };
    case 'linearInt8':
      return {
        reads: [
          { what: 'quantized', offset: step.quantized, bytes: step.rows * step.inputs },
          words('scales', step.scales, step.rows),
          words('zeros', step.zeros, step.rows),
          words('weightSums', step.weightSums, step.outputs),
        ],
        writes: [words('out', step.out, step.rows * step.outputs)],
        tensors: [
          tensor(step.weight, 'I8', step.outputs, step.inputs),
          tensor(step.weightScales, 'F32', step.outputs),
          tensor(step.bias, 'F32', step.outputs),
        ],
        requires: [[step.inputs <= MAX_INT8_INPUTS, `at most ${MAX_INT8_INPUTS} inputs`]],
      };
    case 'tokens':
      return {
        reads: [words('patches', step.patches, step.patchCount * step.columns)],
        writes: [words('out', step.out, (step.patchCount + 1) * step.columns)],
        tensors: [tensor(step.cls, 'F32', step.columns), tensor(step.position, 'F32', step.patchCount + 1, step.columns)],
      };
    case 'layerNorm':
      return {
        reads: [words('x', step.x, step.rows * step.columns)],
        writes: [words('out', step.out, step.rows * step.columns)],
        tensors: [tensor(step.gamma, 'F32', step.columns), tensor(step.beta, 'F32', step.columns)],
        requires: [[step.epsilon >= 0, 'an epsilon of at least 0']],
      };
    case 'attention': {
      const elements = step.tokens * step.columns;
      return {
        reads: [words('q', step.q, elements), words('k', step.k, elements), words('v', step.v, elements)],
        writes: [words('scores', step.scores, step.tokens), words('out', step.out, elements)],
        requires: [[step.columns % step.heads === 0, 'heads to divide columns']],
      };
    }
    case 'gelu':
    case 'tanh':
      return { reads: [words('x', step.x, step.count)], writes: [words('out', step.out, step.count)] };
    case 'add':
      return {
        reads: [words('a', step.a, step.count), words('b', step.b, step.count)],
        writes: [words('out', step.out, step.count)],
      };
    case 'selectRow':
      return {
        reads: [words('x', step.x, step.rows * step.columns)],
        writes: [words('out', step.out, step.columns)],
        requires: [[step.index < step.rows, 'an index below rows']],
      };
    default:
      throw new Error(`no operands known for ${(step satisfies never as Step).op}`);
  }
}

/** A buffer of 4-byte elements. */
function words(what: string, offset: number, elements: number): Region {
  return { what, offset, bytes: 4 * elements };
}

function tensor(name: string | null, dtype: Dtype, ...shape: readonly number[]): TensorOperand {
  return { name, dtype, shape };
}

function checkStep(where: string, step: Step, arenaBytes: number, entries: ReadonlyMap<string, TensorEntry>): void {
  const { reads, writes, tensors = [], requires = [] } = operandsOf(step);
  for (const [holds, what] of requires) {
    if (!holds) throw new ArtifactError('plan', `${where}: expected ${what}, got ${shown(step)}`);
  }
  for (const region of [...reads, ...writes]) checkRegion(where, region, arenaBytes);
  for (const operand of tensors) checkTensor(where, operand, entries);
  writes.forEach((write, i) => {
    for (const read of reads) checkApart(where, write, read, isElementwise(step));
    for (const other of writes.slice(i + 1)) checkApart(where, write, other, false);
  });
}

/** Element i of the output depends only on element i of the inputs, so that they may share a buffer. */
function isElementwise(step: Step): boolean {
  return step.op === 'gelu' || step.op === 'tanh' || step.op === 'add';
}

function checkRegion(where: string, { what, offset, bytes }: Region, arenaBytes: number): void {
  if (offset % ALIGNMENT !== 0) throw new ArtifactError('plan', `${where}.${what}: expected a multiple of ${ALIGNMENT}, got ${offset}`);
  if (offset + bytes > arenaBytes) {
    throw new ArtifactError('plan', `${where}.${what}: ${bytes} bytes at ${offset} do not fit the arena of ${arenaBytes}`);
  }
}

function checkApart(where: string, a: Region, b: Region, mayCoincide: boolean): void {
  if (mayCoincide && a.offset === b.offset) return;
  if (a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes) {
    throw new ArtifactError('plan', `${where}: ${a.what} at ${a.offset} overlaps ${b.what} at ${b.offset}`);
  }
}

function checkTensor(where: string, { name, dtype, shape }: TensorOperand, entries: ReadonlyMap<string, TensorEntry>): void {
  if (name === null) return;
  const entry = entries.get(name);
  if (entry === undefined) throw new ArtifactError('name', `${where}: no tensor is named ${shown(name)}`);
  if (entry.dtype !== dtype) throw new ArtifactError('dtype', `${where}: expected ${shown(name)} as ${dtype}, got ${entry.dtype}`);
  if (entry.shape.length !== shape.length || entry.shape.some((size, i) => size !== shape[i])) {
    throw new ArtifactError('shape', `${where}: expected ${shown(name)} of shape [${shape}], got [${entry.shape}]`);
  }
}
