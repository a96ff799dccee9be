/** Change sets: made, described, executed and deleted. */
import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { ACCOUNT, REGION } from '../identity.ts';
import { AwsError } from '../message.ts';
import type { QueryOperation } from '../query-protocol.ts';
import type { XmlElements } from '../xml.ts';
import { changesOf, type ResourceChange } from './changes.ts';
import { execute, type Workshop } from './execution.ts';
import { pageOf, recordsIn, textsIn } from './form.ts';
import { type GivenParameter, resolveParameters, shownParameters } from './parameters.ts';
import { stackArn } from './stack-operations.ts';
import { type ChangeSet, type Desired, findStack, goOn, isBusy, newStack, type Stack } from './stacks.ts';
import { parseTemplate, type Template, validationError } from './template.ts';

export function changeSetOperations(stacks: Stack[], workshop: Workshop): Readonly<Record<string, QueryOperation>> {
  return {
    CreateChangeSet: { resource: stackArn, run: (form) => create(stacks, workshop, form) },
    DescribeChangeSet: {
      resource: stackArn,
      run: (form) => describe(...changeSetIn(stacks, form), form.get('NextToken')),
    },
    ExecuteChangeSet: { resource: stackArn, run: (form) => start(...changeSetIn(stacks, form), workshop) },
    DeleteChangeSet: {
      resource: stackArn,
      run: (form) => void stackIn(stacks, form).changeSets.delete(form.get('ChangeSetName')!),
    },
  };
}

function create(stacks: Stack[], { types, changeSetMs }: Workshop, form: URLSearchParams): XmlElements {
  const [stackName, name] = [form.get('StackName')!, form.get('ChangeSetName')!];
  const existing = findStack(stacks, stackName);
  if (form.get('ChangeSetType') === 'CREATE') checkNew(existing, name);
  else checkUpdatable(existing, stackName);
  const before = existing?.changeSets.get(name);
  if (before !== undefined && !before.executionStatus.startsWith('EXECUTE_'))
    throw new AwsError(400, 'AlreadyExistsException', `ChangeSet ${name} already exists`);

  const desired = desiredIn(form, existing?.current, Object.keys(types));
  const stack = existing ?? newStack(stackName);
  const changes = changesOf(stack, desired, types);
  const id = `arn:aws:cloudformation:${REGION}:${ACCOUNT}:changeSet/${name}/${randomUUID()}`;
  const changeSet: ChangeSet = {
    id,
    name,
    createdAt: new Date(),
    desired,
    changes,
    status: 'CREATE_IN_PROGRESS',
    statusReason: null,
    executionStatus: 'UNAVAILABLE',
  };
  if (existing === undefined) stacks.push(stack);
  stack.changeSets.set(name, changeSet);
  const changesNothing =
    changes.length === 0 && isDeepStrictEqual(desired.template.Outputs, stack.current.template.Outputs);
  goOn(
    stack,
    wait(changeSetMs).then(() => complete(changeSet, changesNothing)),
  );
  return { Id: id, StackId: stack.id };
}

function complete(changeSet: ChangeSet, changesNothing: boolean): void {
  changeSet.status = changesNothing ? 'FAILED' : 'CREATE_COMPLETE';
  changeSet.executionStatus = changesNothing ? 'UNAVAILABLE' : 'AVAILABLE';
  if (changesNothing)
    changeSet.statusReason =
      "The submitted information didn't contain changes. Submit different information to create a change set.";
}

function checkNew(existing: Stack | undefined, changeSetName: string): void {
  if (existing !== undefined && existing.status !== 'REVIEW_IN_PROGRESS') {
    throw validationError(
      `Stack [${existing.name}] already exists and cannot be created again with the changeSet [${changeSetName}].`,
    );
  }
}

function checkUpdatable(existing: Stack | undefined, stackName: string): void {
  if (existing === undefined || existing.status === 'REVIEW_IN_PROGRESS')
    throw validationError(`Stack [${stackName}] does not exist`);
  if (isBusy(existing) || existing.status === 'ROLLBACK_COMPLETE')
    throw validationError(`Stack:${existing.id} is in ${existing.status} state and can not be updated.`);
}

/** What the client wants the stack to be. */
function desiredIn(form: URLSearchParams, previous: Desired | undefined, knownTypes: readonly string[]): Desired {
  const templateBody = form.get('UsePreviousTemplate') === 'true' ? previous!.templateBody : form.get('TemplateBody');
  if (templateBody === null) throw validationError('Either Template URL or Template Body must be specified.');
  const template = parseTemplate(templateBody, knownTypes);
  const capabilities = textsIn(form, 'Capabilities');
  checkCapabilities(template, capabilities);
  const given = recordsIn<keyof GivenParameter>(form, 'Parameters') as GivenParameter[];
  const tags = recordsIn<'Key' | 'Value'>(form, 'Tags');
  return {
    templateBody,
    template,
    parameters: resolveParameters(template, given, previous?.parameters ?? {}),
    tags: Object.fromEntries(tags.map(({ Key, Value }) => [Key, Value])),
    capabilities,
  };
}

/** A client says that it knows that a template makes roles. */
function checkCapabilities({ Resources }: Template, capabilities: readonly string[]): void {
  const roles = Object.values(Resources).filter(({ Type }) => Type === 'AWS::IAM::Role');
  const isNamed = roles.some(
    ({ Properties }) =>
      Properties !== undefined && Properties !== null && Object.hasOwn(Properties as object, 'RoleName'),
  );
  const enough = isNamed ? ['CAPABILITY_NAMED_IAM'] : ['CAPABILITY_IAM', 'CAPABILITY_NAMED_IAM'];
  if (roles.length > 0 && !enough.some((one) => capabilities.includes(one))) {
    throw new AwsError(400, 'InsufficientCapabilitiesException', `Requires capabilities : [${enough[0]}]`);
  }
}

function start(stack: Stack, changeSet: ChangeSet, workshop: Workshop): void {
  if (isBusy(stack))
    throw new AwsError(400, 'InvalidChangeSetStatus', 'An operation on this ChangeSet is currently in progress.');
  if (changeSet.executionStatus !== 'AVAILABLE') {
    throw new AwsError(
      400,
      'InvalidChangeSetStatus',
      `ChangeSet [${changeSet.id}] cannot be executed in its current status of [${changeSet.status}]`,
    );
  }
  // The others were made for a stack that will be no more.
  for (const name of stack.changeSets.keys()) if (name !== changeSet.name) stack.changeSets.delete(name);
  goOn(stack, execute(stack, changeSet, workshop));
}

function describe(
  stack: Stack,
  { id, name, createdAt, desired, changes, status, statusReason, executionStatus }: ChangeSet,
  token: string | null,
): XmlElements {
  const { page, NextToken } = pageOf(status === 'CREATE_IN_PROGRESS' ? [] : changes, token);
  return {
    ChangeSetName: name,
    ChangeSetId: id,
    StackId: stack.id,
    StackName: stack.name,
    CreationTime: createdAt,
    Status: status,
    StatusReason: statusReason ?? undefined,
    ExecutionStatus: executionStatus,
    Parameters: { member: shownParameters(desired.template, desired.parameters) },
    Tags: { member: Object.entries(desired.tags).map(([Key, Value]) => ({ Key, Value })) },
    Capabilities: { member: desired.capabilities },
    Changes: { member: page.map((change) => ({ Type: 'Resource', ResourceChange: described(change) })) },
    NextToken,
  };
}

function described({
  action,
  logicalId,
  physicalId,
  type,
  replacement,
  properties = [],
  tags = false,
}: ResourceChange): XmlElements {
  return {
    Action: action,
    LogicalResourceId: logicalId,
    PhysicalResourceId: physicalId,
    ResourceType: type,
    Replacement: replacement === undefined ? undefined : replacement ? 'True' : 'False',
    Scope: { member: [...(properties.length > 0 ? ['Properties'] : []), ...(tags ? ['Tags'] : [])] },
    Details: {
      member: properties.map((property) => ({
        Target: { Attribute: 'Properties', Name: property, RequiresRecreation: replacement ? 'Always' : 'Never' },
      })),
    },
  };
}

function stackIn(stacks: readonly Stack[], form: URLSearchParams): Stack {
  const stack = findStack(stacks, form.get('StackName') ?? '');
  if (stack === undefined) throw validationError(`Stack [${form.get('StackName')}] does not exist`);
  return stack;
}

/** Named by its name or its id. */
function changeSetIn(stacks: readonly Stack[], form: URLSearchParams): [Stack, ChangeSet] {
  const [stack, name] = [stackIn(stacks, form), form.get('ChangeSetName')!];
  const changeSet = [...stack.changeSets.values()].find(
    (candidate) => candidate.name === name || candidate.id === name,
  );
  if (changeSet === undefined) throw new AwsError(404, 'ChangeSetNotFound', `ChangeSet [${name}] does not exist`);
  return [stack, changeSet];
}
