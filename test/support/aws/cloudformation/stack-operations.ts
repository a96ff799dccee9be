/** Stacks: described and deleted. */
import { ACCOUNT, REGION } from '../identity.ts';
import type { QueryOperation } from '../query-protocol.ts';
import type { XmlElements } from '../xml.ts';
import { deleteStack, type Workshop } from './execution.ts';
import { pageOf } from './form.ts';
import { shownParameters } from './parameters.ts';
import { findStack, goOn, isBusy, type Stack, type StackEvent, setStatus } from './stacks.ts';
import { validationError } from './template.ts';

export function stackOperations(
  stacks: readonly Stack[],
  workshop: Workshop,
): Readonly<Record<string, QueryOperation>> {
  return {
    DescribeStacks: { resource: stackArn, run: (form) => ({ Stacks: { member: [described(stackIn(stacks, form))] } }) },
    DescribeStackEvents: {
      resource: stackArn,
      run: (form) => describeEvents(stackIn(stacks, form), form.get('NextToken')),
    },
    GetTemplate: { resource: stackArn, run: (form) => ({ TemplateBody: stackIn(stacks, form).current.templateBody }) },
    DeleteStack: {
      resource: stackArn,
      run: (form) => startDeleting(findStack(stacks, form.get('StackName')!), workshop),
    },
  };
}

/** Of any stack of this name. */
export function stackArn(form: URLSearchParams): string {
  const named = form.get('StackName') ?? '*';
  return named.startsWith('arn:') ? named : `arn:aws:cloudformation:${REGION}:${ACCOUNT}:stack/${named}/*`;
}

function stackIn(stacks: readonly Stack[], form: URLSearchParams): Stack {
  const stack = findStack(stacks, form.get('StackName') ?? '');
  if (stack === undefined) throw validationError(`Stack with id ${form.get('StackName')} does not exist`);
  return stack;
}

function described({
  id,
  name,
  createdAt,
  updatedAt,
  deletedAt,
  status,
  statusReason,
  current,
  outputs,
}: Stack): XmlElements {
  return {
    StackId: id,
    StackName: name,
    CreationTime: createdAt,
    LastUpdatedTime: updatedAt ?? undefined,
    DeletionTime: deletedAt ?? undefined,
    StackStatus: status,
    StackStatusReason: statusReason ?? undefined,
    Parameters: { member: shownParameters(current.template, current.parameters) },
    Outputs: { member: outputs.map((output) => ({ ...output })) },
    Tags: { member: Object.entries(current.tags).map(([Key, Value]) => ({ Key, Value })) },
    Capabilities: { member: current.capabilities },
  };
}

/** The newest first. */
function describeEvents(stack: Stack, token: string | null): XmlElements {
  const { page, NextToken } = pageOf([...stack.events].reverse(), token);
  return { StackEvents: { member: page.map((event) => describedEvent(stack, event)) }, NextToken };
}

function describedEvent(
  stack: Stack,
  { id, logicalId, physicalId, type, timestamp, status, reason }: StackEvent,
): XmlElements {
  return {
    StackId: stack.id,
    StackName: stack.name,
    EventId: id,
    LogicalResourceId: logicalId,
    PhysicalResourceId: physicalId,
    ResourceType: type,
    Timestamp: timestamp,
    ResourceStatus: status,
    ResourceStatusReason: reason ?? undefined,
  };
}

/** To delete a stack that is not there is no error; one that is being created stops there. */
function startDeleting(stack: Stack | undefined, workshop: Workshop): void {
  if (stack === undefined || stack.status.startsWith('DELETE_')) return;
  if (isBusy(stack) && stack.status !== 'CREATE_IN_PROGRESS')
    throw validationError(`Stack [${stack.id}] cannot be deleted while in status ${stack.status}`);
  setStatus(stack, 'DELETE_IN_PROGRESS', 'User Initiated');
  goOn(
    stack,
    stack.work.then(() => deleteStack(stack, workshop)),
  );
}
