/** What names in a stack's template stand for. */
import { REGION } from '../identity.ts';
import { conditionHolds, type Scope } from './intrinsics.ts';
import { pseudoParameters } from './parameters.ts';
import type { Physical } from './resource-type.ts';
import type { Desired, Stack } from './stacks.ts';
import { creationOrder, validationError } from './template.ts';

/** `physicalOf` gives a resource that is there, or will be. */
export function scopeOf(
  { name, id }: Pick<Stack, 'name' | 'id'>,
  { template, parameters }: Desired,
  physicalOf: (logicalId: string) => Physical,
): Scope {
  const values = { ...parameters, ...pseudoParameters(name, id, REGION) };
  const ref = (named: string): string => values[named] ?? physicalOf(named).id;
  return {
    ref,
    getAtt(resource, attribute) {
      const value = physicalOf(resource).attributes[attribute];
      if (value === undefined)
        throw validationError(
          `Requested attribute ${attribute} does not exist in schema for ${template.Resources[resource].Type}`,
        );
      return value;
    },
    condition: (condition) => conditionHolds(template, condition, ref),
  };
}

/** The resources whose conditions hold, in the order of their creation. */
export function wantedResources(stack: Pick<Stack, 'name' | 'id'>, desired: Desired): string[] {
  const { condition } = scopeOf(stack, desired, (logicalId) => {
    throw validationError(`Template error: a condition refers to ${logicalId}`);
  });
  return creationOrder(desired.template).filter((logicalId) => {
    const name = desired.template.Resources[logicalId].Condition;
    return name === undefined || condition(name);
  });
}
