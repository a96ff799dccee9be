import { ArtifactError, shown } from './errors.ts';
import { isObject, type JsonObject } from './json.ts';
import type { Plan, PlanBuffer, PlanInput, Step } from './plan.ts';
import { ACTIVATIONS, fieldsOf, STEPS, type Field, type StepOp } from './steps.ts';

type FieldKind = Exclude<Field['kind'], 'scratch'>;

const MAX_STEPS = 10_000;
const MAX_INPUTS = 8;
const MAX_SIZE = 2 ** 24;

/** Reads a plan from JSON. @throws ArtifactError (plan) naming the step and field that is missing, unknown or of the wrong type. */
export function readPlan(json: unknown): Plan {
  if (!isObject(json)) throw new ArtifactError('plan', `plan: expected an object, got ${shown(json)}`);
  const { arenaBytes, tokens, inputs, output, steps, ...rest } = json;
  refuseUnknown('plan', rest);
  if (!isWhole(arenaBytes)) throw new ArtifactError('plan', `plan.arenaBytes: expected a whole number, got ${shown(arenaBytes)}`);
  if (tokens !== null) readField('plan.tokens', 'size', tokens);
  if (!Array.isArray(inputs) || inputs.length === 0 || inputs.length > MAX_INPUTS) {
    throw new ArtifactError('plan', `plan.inputs: expected a list of 1 to ${MAX_INPUTS} inputs, got ${shown(inputs)}`);
  }
  return {
    arenaBytes,
    tokens: tokens as number | null,
    inputs: inputs.map((input, i) => readInput(`plan.inputs[${i}]`, input)),
    output: readBuffer('plan.output', output),
    steps: readSteps('plan.steps', steps),
  };
}

function readSteps(where: string, json: unknown): readonly Step[] {
  if (!Array.isArray(json) || json.length > MAX_STEPS) {
    throw new ArtifactError('plan', `${where}: expected a list of at most ${MAX_STEPS} steps, got ${shown(json)}`);
  }
  return json.map((step, i) => readStep(`${where}[${i}]`, step));
}

function readStep(where: string, json: unknown): Step {
  if (!isObject(json)) throw new ArtifactError('plan', `${where}: expected an object, got ${shown(json)}`);
  const { op, ...fields } = json;
  if (!isStepOp(op)) {
    throw new ArtifactError('plan', `${where}: expected an op of ${Object.keys(STEPS).join(', ')}, got ${shown(op)}`);
  }
  const known = fieldsOf(op).flatMap(([name, { kind }]) => (kind === 'scratch' ? [] : [[name, kind] as const]));
  for (const [name, kind] of known) readField(`${where}.${name}`, kind, fields[name]);
  refuseUnknown(where, Object.fromEntries(Object.entries(fields).filter(([field]) => !known.some(([name]) => name === field))));
  return json as unknown as Step;
}

function readField(where: string, kind: FieldKind, value: unknown): void {
  const [holds, expected] = {
    offset: [isWhole(value), 'a byte offset'],
    'offset?': [isWhole(value) || value === null, 'a byte offset, or null'],
    rows: [isSize(value) || value === 'tokens', `a size from 1 to ${MAX_SIZE}, or "tokens"`],
    index: [isWhole(value), 'an index'],
    size: [isSize(value), `a size from 1 to ${MAX_SIZE}`],
    number: [typeof value === 'number' && Number.isFinite(value), 'a finite number'],
    tensor: [typeof value === 'string', 'the name of a tensor'],
    'tensor?': [typeof value === 'string' || value === null, 'the name of a tensor, or null'],
    activation: [ACTIVATIONS.some((known) => known === value), `an activation of ${ACTIVATIONS.join(', ')}`],
  }[kind];
  if (!holds) throw new ArtifactError('plan', `${where}: expected ${expected}, got ${shown(value)}`);
}

function readInput(where: string, json: unknown): PlanInput {
  if (!isObject(json)) throw new ArtifactError('plan', `${where}: expected an object, got ${shown(json)}`);
  const { name, dtype, ...buffer } = json;
  if (typeof name !== 'string') throw new ArtifactError('plan', `${where}.name: expected a string, got ${shown(name)}`);
  if (dtype !== 'F32' && dtype !== 'I32') throw new ArtifactError('plan', `${where}.dtype: expected F32 or I32, got ${shown(dtype)}`);
  return { name, dtype, ...readBuffer(where, buffer) };
}

function readBuffer(where: string, json: unknown): PlanBuffer {
  if (!isObject(json)) throw new ArtifactError('plan', `${where}: expected an object, got ${shown(json)}`);
  const { offset, shape, ...rest } = json;
  refuseUnknown(where, rest);
  readField(`${where}.offset`, 'offset', offset);
  if (!Array.isArray(shape) || shape.length > 8) {
    throw new ArtifactError('plan', `${where}.shape: expected a list of sizes, got ${shown(shape)}`);
  }
  shape.forEach((size, i) => readField(`${where}.shape[${i}]`, 'size', size));
  return { offset: offset as number, shape: shape as number[] };
}

function refuseUnknown(where: string, rest: JsonObject): void {
  const [field] = Object.keys(rest);
  if (field !== undefined) throw new ArtifactError('plan', `${where}: unknown field ${shown(field)}`);
}

function isStepOp(value: unknown): value is StepOp {
  return typeof value === 'string' && Object.hasOwn(STEPS, value);
}

function isSize(value: unknown): boolean {
  return isWhole(value) && value >= 1 && value <= MAX_SIZE;
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
