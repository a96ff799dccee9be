/** CloudFormation at work: stacks are brought to what their templates say, or back. */
import { setTimeout as wait } from 'node:timers/promises';
import { AwsError } from '../message.ts';
import { differenceOf } from './changes.ts';
import { evaluate } from './intrinsics.ts';
import { failureReason, type Physical, type ResourceTypes } from './resource-type.ts';
import { scopeOf, wantedResources } from './scope.ts';
import {
  addEvent,
  type ChangeSet,
  type Desired,
  type Stack,
  type StackOutput,
  type StackResource,
  setStatus,
} from './stacks.ts';

export interface Workshop {
  readonly types: ResourceTypes;
  /** How long each resource takes, beside what it takes by itself. */
  readonly resourceMs: number;
  /** How long a change set takes until it can be executed. */
  readonly changeSetMs: number;
}

type Verb = 'CREATE' | 'UPDATE';

/** Carries out a change set of a stack that is waiting for it; what fails is rolled back. */
export async function execute(stack: Stack, changeSet: ChangeSet, workshop: Workshop): Promise<void> {
  const verb: Verb = stack.status === 'REVIEW_IN_PROGRESS' ? 'CREATE' : 'UPDATE';
  const before = new Map(stack.resources);
  changeSet.executionStatus = 'EXECUTE_IN_PROGRESS';
  setStatus(stack, `${verb}_IN_PROGRESS`, 'User Initiated');
  if (verb === 'UPDATE') stack.updatedAt = new Date();
  const failed = await bringTo(stack, changeSet.desired, workshop);
  if (stack.status !== `${verb}_IN_PROGRESS`) return; // somebody deletes it
  changeSet.executionStatus = failed === null ? 'EXECUTE_COMPLETE' : 'EXECUTE_FAILED';
  if (failed === null) await finish(stack, changeSet.desired, before, verb, workshop);
  else await rollBack(stack, failed, before, verb, workshop);
}

/** Deletes a stack's resources, but for those that are to be retained. */
export async function deleteStack(stack: Stack, workshop: Workshop): Promise<void> {
  await remove(stack, [...stack.resources.values()], workshop);
  stack.resources.clear();
  stack.deletedAt = new Date();
  setStatus(stack, 'DELETE_COMPLETE');
}

/** Makes and changes resources, one after the other. Gives the logical id of the one that failed. */
async function bringTo(stack: Stack, desired: Desired, workshop: Workshop): Promise<string | null> {
  const status = stack.status;
  for (const logicalId of wantedResources(stack, desired)) {
    if (stack.status !== status) return null;
    if (!(await bringResourceTo(stack, logicalId, desired, workshop))) return logicalId;
  }
  return null;
}

/** Whether it worked. */
async function bringResourceTo(
  stack: Stack,
  logicalId: string,
  desired: Desired,
  workshop: Workshop,
): Promise<boolean> {
  const { Type: type } = desired.template.Resources[logicalId];
  const existing = stack.resources.get(logicalId);
  const verb = existing === undefined ? 'CREATE' : 'UPDATE';
  const report = (status: string, reason: string | null = null): void =>
    addEvent(stack, { logicalId, physicalId: stack.resources.get(logicalId)?.physical.id ?? '', type, status, reason });
  try {
    const resource = resourceOf(stack, logicalId, desired);
    const difference = existing && differenceOf(workshop.types[type], existing.properties, resource.properties);
    if (difference?.properties.length === 0) {
      stack.resources.set(logicalId, { ...resource, physical: existing!.physical });
      return true;
    }
    report(
      `${verb}_IN_PROGRESS`,
      difference?.replacement
        ? 'Requested update requires the creation of a new physical resource; hence creating one.'
        : null,
    );
    const physical = await makeOrChange(
      stack,
      resource,
      difference?.replacement ? undefined : existing?.physical,
      workshop,
    );
    stack.resources.set(logicalId, { ...resource, physical });
    report(`${verb}_COMPLETE`);
    return true;
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    report(`${verb}_FAILED`, failureReason(workshop.types[type], error));
    return false;
  }
}

type WantedResource = Omit<StackResource, 'physical'>;

function resourceOf(stack: Stack, logicalId: string, desired: Desired): WantedResource {
  const { Type: type, Properties = {}, DeletionPolicy } = desired.template.Resources[logicalId];
  return {
    logicalId,
    type,
    properties: evaluate(Properties, scopeOf(stack, desired, physicalIn(stack))),
    retained: DeletionPolicy === 'Retain',
  };
}

async function makeOrChange(
  stack: Stack,
  { logicalId, type, properties }: WantedResource,
  existing: Physical | undefined,
  { types, resourceMs }: Workshop,
): Promise<Physical> {
  await wait(resourceMs);
  if (existing !== undefined) return types[type].update(existing, properties as object);
  return types[type].create(properties as object, { stackName: stack.name, logicalId });
}

/** What nobody needs any more goes last. */
async function finish(
  stack: Stack,
  desired: Desired,
  before: ReadonlyMap<string, StackResource>,
  verb: Verb,
  workshop: Workshop,
): Promise<void> {
  if (verb === 'UPDATE') setStatus(stack, 'UPDATE_COMPLETE_CLEANUP_IN_PROGRESS');
  const wanted = wantedResources(stack, desired);
  await remove(stack, superseded(stack, before, wanted), workshop);
  for (const logicalId of stack.resources.keys()) if (!wanted.includes(logicalId)) stack.resources.delete(logicalId);
  stack.current = desired;
  stack.outputs = outputsOf(stack, desired);
  setStatus(stack, `${verb}_COMPLETE`);
}

/** Resources of before that were replaced or are no longer wanted. */
function superseded(
  stack: Stack,
  before: ReadonlyMap<string, StackResource>,
  wanted: readonly string[],
): StackResource[] {
  return [...before.values()].filter(
    ({ logicalId, physical }) =>
      !wanted.includes(logicalId) || stack.resources.get(logicalId)!.physical.id !== physical.id,
  );
}

function outputsOf(stack: Stack, desired: Desired): StackOutput[] {
  const scope = scopeOf(stack, desired, physicalIn(stack));
  return Object.entries(desired.template.Outputs)
    .filter(([, { Condition }]) => Condition === undefined || scope.condition(Condition))
    .map(([OutputKey, { Value, Description }]) => ({
      OutputKey,
      OutputValue: String(evaluate(Value, scope)),
      Description,
    }));
}

async function rollBack(
  stack: Stack,
  failed: string,
  before: ReadonlyMap<string, StackResource>,
  verb: Verb,
  workshop: Workshop,
): Promise<void> {
  const prefix = verb === 'CREATE' ? '' : 'UPDATE_';
  setStatus(
    stack,
    `${prefix}ROLLBACK_IN_PROGRESS`,
    `The following resource(s) failed to ${verb.toLowerCase()}: [${failed}]. ` +
      `${verb === 'CREATE' ? 'Rollback requested by user.' : ''}`,
  );
  for (const resource of [...before.values()].reverse())
    await restore(stack, resource, resource.logicalId === failed, workshop);
  if (verb === 'UPDATE') setStatus(stack, 'UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS');
  const made = [...stack.resources.values()].filter(
    ({ logicalId, physical }) => before.get(logicalId)?.physical.id !== physical.id,
  );
  await remove(stack, made, workshop);
  stack.resources.clear();
  for (const [logicalId, resource] of before) stack.resources.set(logicalId, resource);
  setStatus(stack, `${prefix}ROLLBACK_COMPLETE`);
}

/**
 * Changes a resource back to what it was, where it was changed or failed to be. One that was replaced is still there.
 */
async function restore(
  stack: Stack,
  { logicalId, type, properties, physical }: StackResource,
  failed: boolean,
  { types, resourceMs }: Workshop,
): Promise<void> {
  const now = stack.resources.get(logicalId)!;
  const changed =
    now.physical.id === physical.id && differenceOf(types[type], now.properties, properties).properties.length > 0;
  if (!changed && !failed) return;
  const event = { logicalId, physicalId: physical.id, type, reason: null };
  addEvent(stack, { ...event, status: 'UPDATE_IN_PROGRESS' });
  await wait(resourceMs);
  if (changed) await types[type].update(physical, properties as object);
  addEvent(stack, { ...event, status: 'UPDATE_COMPLETE' });
}

/** Deletes resources, the last ones first. */
async function remove(
  stack: Stack,
  resources: readonly StackResource[],
  { types, resourceMs }: Workshop,
): Promise<void> {
  for (const { logicalId, type, physical, retained } of [...resources].reverse()) {
    const event = { logicalId, physicalId: physical.id, type, reason: null };
    if (retained) {
      addEvent(stack, { ...event, status: 'DELETE_SKIPPED' });
      continue;
    }
    addEvent(stack, { ...event, status: 'DELETE_IN_PROGRESS' });
    await wait(resourceMs);
    await types[type].delete(physical);
    addEvent(stack, { ...event, status: 'DELETE_COMPLETE' });
  }
}

function physicalIn(stack: Stack): (logicalId: string) => Physical {
  return (logicalId) => stack.resources.get(logicalId)!.physical;
}
