import { ArtifactError, shown } from './errors.ts';
import { memoryLayout, sizesOf } from './plan-memory.ts';
import type { Limits, Plan, Step } from './plan.ts';
import { elementCount, type TensorEntry } from './safetensors.ts';
import { ALIGNMENT, fieldsOf, packedShape, ROLE_DTYPES, scaleName, STEPS, type Sizes, type TensorRole } from './steps.ts';

type Entries = ReadonlyMap<string, TensorEntry>;

/**
 * Checks that a plan can run safely: operands aligned and inside the arena, outputs apart from inputs, tensors present with
 * the dtype and shape that the step needs, memory and work within the limits. Sizes that follow the sequence are checked at its longest.
 * @throws ArtifactError (plan, name, dtype, shape, memory or work) naming the step.
 */
export function checkPlan(plan: Plan, entries: Entries, weightBytes: number, limits: Limits): void {
  const buffer = (where: string, { offset, shape }: Plan['output']): void =>
    checkRegion(where, { what: 'offset', offset, bytes: 4 * elementCount(shape), writes: true }, plan.arenaBytes);
  plan.inputs.forEach((input) => buffer(`plan.inputs ${shown(input.name)}`, input));
  buffer('plan.output', plan.output);
  let work = 0;
  plan.steps.forEach((step, i) => {
    const sizes = sizesOf(step, plan.tokens);
    checkStep(`plan.steps[${i}] (${step.op})`, step, sizes, plan.arenaBytes, entries);
    work += STEPS[step.op].work(sizes);
  });
  const { bytes } = memoryLayout(weightBytes, plan);
  if (!(bytes <= limits.memoryBytes)) {
    const parts = `weights ${weightBytes}, arena ${plan.arenaBytes}`;
    throw new ArtifactError('memory', `the model needs ${bytes} bytes of memory (${parts}), the limit is ${limits.memoryBytes}`);
  }
  if (!(work <= limits.operations)) throw new ArtifactError('work', `an answer would take ${work} operations, the limit is ${limits.operations}`);
}

interface Region {
  readonly what: string;
  readonly offset: number;
  readonly bytes: number;
  readonly writes: boolean;
}

function checkStep(where: string, step: Step, sizes: Sizes, arenaBytes: number, entries: Entries): void {
  const { wrong, elementwise }: (typeof STEPS)[keyof typeof STEPS] & { wrong?: (s: Sizes) => string | null; elementwise?: true } = STEPS[step.op];
  const problem = Object.values(sizes).some(Number.isNaN) ? 'no rows that follow the tokens where plan.tokens is null' : wrong?.(sizes);
  if (problem) throw new ArtifactError('plan', `${where}: expected ${problem}, got ${shown(step)}`);
  const values = step as unknown as Readonly<Record<string, unknown>>;
  const regions: Region[] = [];
  for (const [what, field] of fieldsOf(step.op)) {
    const value = values[what];
    if (value === null || value === undefined) continue;
    if (field.kind === 'offset' || field.kind === 'offset?') {
      regions.push({ what, offset: value as number, bytes: field.bytes(sizes), writes: field.writes });
      checkRegion(where, regions[regions.length - 1], arenaBytes);
    } else if (field.kind === 'tensor' || field.kind === 'tensor?') {
      checkTensor(where, value as string, field.role, field.shape(sizes), entries);
    }
  }
  if (!regions.some(({ writes }) => writes)) throw new ArtifactError('plan', `${where}: expected out or quantized, got neither`);
  regions.forEach((region, i) => {
    for (const other of regions.slice(i + 1)) {
      const coincide = elementwise && region.offset === other.offset;
      if ((region.writes || other.writes) && !coincide) checkApart(where, region, other);
    }
  });
}

function checkRegion(where: string, { what, offset, bytes }: Region, arenaBytes: number): void {
  if (offset % ALIGNMENT !== 0) throw new ArtifactError('plan', `${where}.${what}: expected a multiple of ${ALIGNMENT}, got ${offset}`);
  if (!(offset + bytes <= arenaBytes)) {
    throw new ArtifactError('plan', `${where}.${what}: ${bytes} bytes at ${offset} do not fit the arena of ${arenaBytes}`);
  }
}

function checkApart(where: string, a: Region, b: Region): void {
  if (a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes) {
    throw new ArtifactError('plan', `${where}: ${a.what} at ${a.offset} overlaps ${b.what} at ${b.offset}`);
  }
}

/** A tensor in its role; int8 ones with the scales that belong to them. */
function checkTensor(where: string, name: string, role: TensorRole, shape: readonly number[], entries: Entries): void {
  const entry = entries.get(name);
  if (entry === undefined) throw new ArtifactError('name', `${where}: no tensor is named ${shown(name)}`);
  const dtype = ROLE_DTYPES[role] ?? (entry.dtype === 'I8' ? 'I8' : 'F32');
  if (entry.dtype !== dtype) throw new ArtifactError('dtype', `${where}: expected ${shown(name)} as ${dtype}, got ${entry.dtype}`);
  const [outputs, inputs] = shape;
  const expected = role === 'packed' || role === 'int8' ? packedShape(dtype as 'F32' | 'I8', outputs, inputs) : shape;
  if (entry.shape.length !== expected.length || entry.shape.some((size, i) => size !== expected[i])) {
    throw new ArtifactError('shape', `${where}: expected ${shown(name)} of shape [${expected}], got [${entry.shape}]`);
  }
  if (dtype === 'I8') checkTensor(where, scaleName(name), 'plain', [outputs], entries);
}
