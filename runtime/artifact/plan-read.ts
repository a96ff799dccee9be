/** The plan's JSON. Whether it is safe to run is for plan-check.ts to say. */
import type { Plan, Step } from './plan.ts';
import {
  count,
  list,
  nullable,
  number,
  ofArtifact,
  oneOf,
  type Read,
  record,
  tagged,
  text,
  wholeFrom,
} from './schema.ts';
import { ACTIVATIONS, type Field, STEPS } from './steps.ts';

const MAX_STEPS = 10_000;
const MAX_INPUTS = 8;
const MAX_AXES = 8;
const MAX_SIZE = 2 ** 24;

const size = wholeFrom(1, MAX_SIZE);

const FIELDS: Readonly<Record<Exclude<Field['kind'], 'scratch'>, Read<unknown>>> = {
  buffer: count,
  tensor: text,
  size,
  rows: (where, json) => (json === 'tokens' ? json : size(where, json)),
  index: count,
  number,
  activation: oneOf(...ACTIVATIONS),
};

/** The fields of a step that are in the plan. */
function stepFields(fields: Readonly<Record<string, Field>>): Record<string, Read<unknown>> {
  return Object.fromEntries(
    Object.entries(fields).flatMap(([name, field]) => {
      if (field.kind === 'scratch') return [];
      const read = FIELDS[field.kind];
      return [[name, 'optional' in field ? nullable(read) : read]];
    }),
  );
}

const steps = Object.fromEntries(Object.entries(STEPS).map(([op, { fields }]) => [op, stepFields(fields)]));
const buffer = { offset: count, shape: list(size, 0, MAX_AXES) };

/** @throws ArtifactError (plan) naming the step and field that is missing, unknown or of the wrong type. */
export const readPlan: Read<Plan> = ofArtifact(
  'plan',
  record({
    arenaBytes: count,
    tokens: nullable(size),
    inputs: list(record({ name: text, dtype: oneOf('F32', 'I32'), ...buffer }), 1, MAX_INPUTS),
    output: record(buffer),
    steps: list(tagged('op', steps) as Read<Step>, 0, MAX_STEPS),
  }),
);
