import { ArtifactError, shown } from './errors.ts';
import { mostRows, memoryLayout, quantizedRowBytes } from './plan-memory.ts';
import { ALIGNMENT, packedShape, type Limits, type Plan, type Rows, type Step } from './plan.ts';
import { elementCount, type Dtype, type TensorEntry } from './safetensors.ts';

/** Keeps 127 · 128 · inputs, twice, inside an int32. */
const MAX_INT8_INPUTS = 65_536;
/** Keeps probabilities, which are rounded to a 32767th each, times values inside an int32. */
const MAX_ATTENTION_TOKENS = 32_768;

/**
 * Checks that a plan can run safely: operands aligned and inside the arena, outputs apart from inputs, tensors present with
 * the dtype and shape that the step needs, and all memory within the limit. Sizes that follow the sequence are checked at its longest.
 * @throws ArtifactError (plan, name, dtype, shape or memory) naming the step.
 */
export function checkPlan(plan: Plan, entries: ReadonlyMap<string, TensorEntry>, weightBytes: number, limits: Limits): void {
  for (const { name, offset, shape } of plan.inputs) {
    checkRegion(`plan.inputs ${shown(name)}`, { what: 'offset', offset, bytes: 4 * elementCount(shape) }, plan.arenaBytes);
  }
  checkRegion('plan.output', { what: 'offset', offset: plan.output.offset, bytes: 4 * elementCount(plan.output.shape) }, plan.arenaBytes);
  plan.steps.forEach((step, i) => checkStep(`plan.steps[${i}] (${step.op})`, step, plan, entries));
  const { bytes } = memoryLayout(weightBytes, plan);
  if (!(bytes <= limits.memoryBytes)) {
    const parts = `weights ${weightBytes}, arena ${plan.arenaBytes}`;
    throw new ArtifactError('memory', `the model needs ${bytes} bytes of memory (${parts}), the limit is ${limits.memoryBytes}`);
  }
}

interface Region {
  readonly what: string;
  /** Null where the step does without. */
  readonly offset: number | null;
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

/** A step's operands; `most` tells the largest number of rows. */
function operandsOf(step: Step, most: (rows: Rows) => number): Operands {
  switch (step.op) {
    case 'patchify': {
      const elements = step.channels * step.height * step.width;
      return {
        reads: [words('pixels', step.pixels, elements)],
        writes: [words('out', step.out, elements)],
        requires: [[step.height % step.patch === 0 && step.width % step.patch === 0, 'height and width to be multiples of patch']],
      };
    }
    case 'quantizeRows':
      return {
        reads: [words('x', step.x, most(step.rows) * step.columns)],
        writes: [quantized('quantized', step.quantized, most(step.rows), step.columns)],
      };
    case 'linear': {
      const rows = most(step.rows);
      return {
        reads: [words('x', step.x, rows * step.inputs), words('residual', step.residual, rows * step.outputs)],
        writes: [words('out', step.out, rows * step.outputs)],
        tensors: [weight(step.weight, 'F32', step.outputs, step.inputs), tensor(step.bias, 'F32', step.outputs)],
      };
    }
    case 'linearInt8':
      return {
        ...int8Regions(step, most(step.rows)),
        tensors: [...int8Tensors(step.weight, step.scales, step.outputs, step.inputs), tensor(step.bias, 'F32', step.outputs)],
      };
    case 'lowRankInt8':
      return {
        ...int8Regions(step, most(step.rows)),
        tensors: [
          ...int8Tensors(step.loraA, step.scalesA, step.rank, step.inputs),
          ...int8Tensors(step.loraB, step.scalesB, step.outputs, step.rank),
          tensor(step.bias, 'F32', step.outputs),
        ],
      };
    case 'tokens': {
      const { patchCount, columns } = step;
      return {
        reads: [words('patches', step.patches, patchCount * columns)],
        writes: [words('out', step.out, (patchCount + 1) * columns)],
        tensors: [tensor(step.cls, 'F32', columns), ...table(step.position, step.positionScales, patchCount + 1, columns)],
      };
    }
    case 'textEmbedding': {
      const { columns } = step;
      const tokens = most(step.tokens);
      return {
        reads: [words('ids', step.ids, tokens), words('types', step.types, tokens)],
        writes: [words('out', step.out, tokens * columns)],
        tensors: [
          ...table(step.word, step.wordScales, step.words, columns),
          ...table(step.position, step.positionScales, step.positions, columns),
          ...table(step.type, step.typeScales, step.kinds, columns),
        ],
        requires: [[tokens <= step.positions, `at most ${step.positions} tokens, as there are positions`]],
      };
    }
    case 'layerNorm':
      return {
        reads: [words('x', step.x, most(step.rows) * step.columns)],
        writes: outputsOf(step, most(step.rows), step.columns),
        tensors: [tensor(step.gamma, 'F32', step.columns), tensor(step.beta, 'F32', step.columns)],
        requires: [[step.epsilon >= 0, 'an epsilon of at least 0']],
      };
    case 'attention':
    case 'attentionInt16': {
      const { heads, keyHeads, keySize, valueSize } = step;
      const [queries, tokens] = [most(step.queries), most(step.tokens)];
      return {
        reads: [
          words('q', step.q, queries * heads * keySize),
          words('k', step.k, tokens * keyHeads * keySize),
          words('v', step.v, tokens * keyHeads * valueSize),
        ],
        writes: [words('out', step.out, queries * heads * valueSize)],
        requires: [
          [keyHeads === 1 || keyHeads === heads, 'keyHeads to be heads or 1'],
          [tokens <= MAX_ATTENTION_TOKENS, `at most ${MAX_ATTENTION_TOKENS} tokens`],
        ],
      };
    }
    case 'gelu':
    case 'tanh':
      return {
        reads: [words('x', step.x, most(step.rows) * step.columns)],
        writes: [words('out', step.out, most(step.rows) * step.columns)],
      };
    case 'add': {
      const count = most(step.rows) * step.columns;
      return { reads: [words('a', step.a, count), words('b', step.b, count)], writes: [words('out', step.out, count)] };
    }
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

type Int8Step = Step<'linearInt8'> | Step<'lowRankInt8'>;

function int8Regions(step: Int8Step, rows: number): Pick<Operands, 'reads' | 'writes' | 'requires'> {
  return {
    reads: [quantized('x', step.x, rows, step.inputs), words('residual', step.residual, rows * step.outputs)],
    writes: outputsOf(step, rows, step.outputs),
    requires: [[step.inputs <= MAX_INT8_INPUTS && (step.op === 'linearInt8' || step.rank <= MAX_INT8_INPUTS), `at most ${MAX_INT8_INPUTS} inputs`]],
  };
}

/** Where a result goes: as f32, quantized, or both. */
function outputsOf(step: { readonly out: number | null; readonly quantized: number | null }, rows: number, columns: number): readonly Region[] {
  return [words('out', step.out, rows * columns), quantized('quantized', step.quantized, rows, columns)];
}

/** A buffer of 4-byte elements. */
function words(what: string, offset: number | null, elements: number): Region {
  return { what, offset, bytes: 4 * elements };
}

function quantized(what: string, offset: number | null, rows: number, columns: number): Region {
  return { what, offset, bytes: rows * quantizedRowBytes(columns) };
}

function tensor(name: string | null, dtype: Dtype, ...shape: readonly number[]): TensorOperand {
  return { name, dtype, shape };
}

function weight(name: string, dtype: 'F32' | 'I8', outputs: number, inputs: number): TensorOperand {
  return { name, dtype, shape: packedShape(dtype, outputs, inputs) };
}

function int8Tensors(name: string, scales: string, outputs: number, inputs: number): readonly TensorOperand[] {
  return [weight(name, 'I8', outputs, inputs), tensor(scales, 'F32', outputs)];
}

/** Rows that are looked up: f32, or int8 with a scale a row. */
function table(name: string, scales: string | null, rows: number, columns: number): readonly TensorOperand[] {
  return [tensor(name, scales === null ? 'F32' : 'I8', rows, columns), tensor(scales, 'F32', rows)];
}

function checkStep(where: string, step: Step, { arenaBytes, tokens: longest }: Plan, entries: ReadonlyMap<string, TensorEntry>): void {
  const most = (rows: Rows): number => {
    if (rows === 'tokens' && longest === null) throw new ArtifactError('plan', `${where}: rows follow the tokens, but plan.tokens is null`);
    return mostRows(rows, longest);
  };
  const { reads, writes, tensors = [], requires = [] } = operandsOf(step, most);
  for (const [holds, what] of requires) {
    if (!holds) throw new ArtifactError('plan', `${where}: expected ${what}, got ${shown(step)}`);
  }
  for (const region of [...reads, ...writes]) checkRegion(where, region, arenaBytes);
  for (const operand of tensors) checkTensor(where, operand, entries);
  if (writes.every(({ offset }) => offset === null)) throw new ArtifactError('plan', `${where}: expected out or quantized, got neither`);
  writes.forEach((write, i) => {
    for (const read of reads) checkApart(where, write, read, isElementwise(step));
    for (const other of writes.slice(i + 1)) checkApart(where, write, other, false);
  });
}

/** Element i of the output depends only on element i of the inputs, so that they may share a buffer. */
function isElementwise({ op }: Step): boolean {
  return op === 'gelu' || op === 'tanh' || op === 'add';
}

function checkRegion(where: string, { what, offset, bytes }: Region, arenaBytes: number): void {
  if (offset === null) return;
  if (offset % ALIGNMENT !== 0) throw new ArtifactError('plan', `${where}.${what}: expected a multiple of ${ALIGNMENT}, got ${offset}`);
  if (!(offset + bytes <= arenaBytes)) {
    throw new ArtifactError('plan', `${where}.${what}: ${bytes} bytes at ${offset} do not fit the arena of ${arenaBytes}`);
  }
}

function checkApart(where: string, a: Region, b: Region, mayCoincide: boolean): void {
  if (a.offset === null || b.offset === null || (mayCoincide && a.offset === b.offset)) return;
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
