import { ArtifactError, shown } from './errors.ts';
import type { Limits, Plan, Step } from './plan.ts';
import { memoryLayout, operandsOf, sizesOf } from './plan-memory.ts';
import { DTYPE_BYTES, elementCount, type TensorEntry } from './safetensors.ts';
import {
  ALIGNMENT,
  factorName,
  INT4_GROUP,
  int4Shape,
  MAX_INT8_INPUTS,
  packedShape,
  STEPS,
  type StepDefinition,
  scaleName,
  type TensorRole,
} from './steps.ts';

type Entries = ReadonlyMap<string, TensorEntry>;

/**
 * Checks that a plan can run safely: operands aligned and inside the arena, outputs apart from inputs, tensors present
 * with the dtype and shape that the step needs, memory and work within the limits. Sizes that follow the sequence are
 * checked at its longest.
 * @throws ArtifactError (plan, name, dtype, shape, memory or work) naming the step.
 */
export function checkPlan(plan: Plan, entries: Entries, weightBytes: number, limits: Limits): void {
  for (const [i, { offset, shape }] of [plan.output, ...plan.inputs].entries()) {
    checkInside(
      { what: i === 0 ? 'plan.output' : `plan.inputs[${i - 1}]`, offset, bytes: 4 * elementCount(shape) },
      plan.arenaBytes,
    );
  }
  const work = plan.steps.reduce(
    (sum, step, i) => sum + checkStep(`plan.steps[${i}] (${step.op})`, step, plan, entries),
    0,
  );
  checkLimit('memory', 'bytes', memoryLayout(weightBytes, plan, entries).bytes, limits.memoryBytes);
  checkLimit('work', 'operations for an answer', work, limits.operations);
}

function checkLimit(code: 'memory' | 'work', unit: string, needed: number, limit: number): void {
  if (!(needed <= limit)) throw new ArtifactError(code, `the model needs ${needed} ${unit}, the limit is ${limit}`);
}

/** A part of the arena. */
interface Region {
  readonly what: string;
  readonly offset: number;
  readonly bytes: number;
}

/** Tells about how many operations the step takes, so that a plan can't compute for ever. */
function checkStep(where: string, step: Step, { tokens, arenaBytes }: Plan, entries: Entries): number {
  const { must = {}, work, elementwise }: StepDefinition = STEPS[step.op];
  const sizes = sizesOf(step, tokens);
  const broken = Object.values(sizes).some(Number.isNaN)
    ? 'a number of rows, as plan.tokens is null'
    : Object.keys(must).find((words) => !must[words](sizes));
  if (broken) throw new ArtifactError('plan', `${where}: expected ${broken}, got ${shown(step)}`);
  const read: Region[] = [];
  const written: Region[] = [];
  // Calls and rows take their time however little there is in them.
  let operations = 2000 + 1000 * (sizes.rows ?? 0) + (work?.(sizes) ?? 0);
  for (const { name, field, value, shape, bytes } of operandsOf(step, tokens)) {
    if (value === null) continue;
    if (field.kind === 'buffer') {
      const region = { what: `${where}.${name}`, offset: value as number, bytes };
      checkInside(region, arenaBytes);
      for (const other of field.writes ? [...read, ...written] : written) {
        if (!(elementwise && region.offset === other.offset)) checkApart(other, region);
      }
      (field.writes ? written : read).push(region);
      operations += bytes;
    } else if (field.kind === 'tensor') {
      const weightBytes = checkTensor(where, value as string, field.role, shape, entries);
      if (isWeight(field.role)) operations += sizes.rows * weightBytes;
    }
  }
  if (written.length === 0) throw new ArtifactError('plan', `${where}: expected out or quantized`);
  return operations;
}

function checkInside({ what, offset, bytes }: Region, arenaBytes: number): void {
  if (offset % ALIGNMENT !== 0 || !(offset + bytes <= arenaBytes)) {
    throw new ArtifactError(
      'plan',
      `${what}: expected ${bytes} bytes at a multiple of ${ALIGNMENT} in the arena of ${arenaBytes}, ` +
        `got offset ${offset}`,
    );
  }
}

function checkApart(a: Region, b: Region): void {
  if (a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes) {
    throw new ArtifactError('plan', `${a.what} at ${a.offset} overlaps ${b.what} at ${b.offset}`);
  }
}

function isWeight(role: TensorRole): boolean {
  return role === 'packed' || role === 'int8';
}

/** A tensor in its role, with the scales and factors that belong to it. Returns the bytes that the kernel reads. */
function checkTensor(
  where: string,
  name: string,
  role: TensorRole,
  shape: readonly number[],
  entries: Entries,
): number {
  const [outputs, inputs] = shape;
  if (role === 'int8' && inputs > MAX_INT8_INPUTS)
    throw new ArtifactError('plan', `${where}: expected at most ${MAX_INT8_INPUTS} inputs, got ${inputs}`);
  const dtype = dtypeIn(role, entries.get(name)?.dtype);
  const read = isWeight(role) ? packedShape(dtype === 'F32' ? 'F32' : 'I8', outputs, inputs) : shape;
  checkEntry(where, name, dtype, dtype === 'U8' ? int4Shape(outputs, inputs) : read, entries);
  if (dtype !== 'F32') checkTensor(where, scaleName(name), 'plain', [outputs], entries);
  if (dtype === 'U8') checkEntry(where, factorName(name), 'I8', [outputs, Math.ceil(inputs / INT4_GROUP)], entries);
  return DTYPE_BYTES[dtype] * elementCount(read);
}

/** The dtype that a tensor must have in its role: the one that it has where there are several. */
function dtypeIn(role: TensorRole, given: TensorEntry['dtype'] | undefined): 'F32' | 'I8' | 'U8' {
  if (role === 'int8') return given === 'U8' ? 'U8' : 'I8';
  return role === 'table' && (given === 'I8' || given === 'U8') ? given : 'F32';
}

function checkEntry(where: string, name: string, dtype: string, shape: readonly number[], entries: Entries): void {
  const entry = entries.get(name);
  if (entry === undefined) throw new ArtifactError('name', `${where}: no tensor is named ${shown(name)}`);
  const [expected, got] = [`${dtype} [${shape}]`, `${entry.dtype} [${entry.shape}]`];
  if (got !== expected)
    throw new ArtifactError(
      entry.dtype === dtype ? 'shape' : 'dtype',
      `${where}: expected ${shown(name)} as ${expected}, got ${got}`,
    );
}
