/**
 * One CloudFormation stack, moved from state to state by change sets. Whatever state an earlier run left it in, killed
 * ones included, is waited for or mended first, so that running again always goes on.
 */
import { randomBytes } from 'node:crypto';
import type { CloudFormationClient, Stack, StackEvent } from '@aws-sdk/client-cloudformation';
import { UserError } from '../../io/errors.ts';
import { throwIfInterrupted } from '../../io/io.ts';
import { atAws, nameOf, orNull } from './errors.ts';

/** The stack's parameters, by the names that the template gives them; '' where one is not set. */
export type Parameters = Readonly<Record<string, string>>;

/** The stack that a function is about, by its name. Waiting ends with `Interrupted` where the signal is aborted. */
export interface StackContext {
  readonly client: CloudFormationClient;
  readonly stack: string;
  readonly signal: AbortSignal;
  /** Told of resources as they change. */
  readonly onEvent?: (text: string) => void;
}

/**
 * What would happen to one resource, in CloudFormation's words: `Add`, `Modify` or `Remove`, its name in the template
 * and its type.
 */
export interface Change {
  readonly action: string;
  readonly resource: string;
  readonly type: string;
  /** Whether the resource is made anew. */
  readonly replacement: boolean;
}

/** The stack as it is now; null where there is none. */
export async function describeStack({ client, stack }: StackContext): Promise<Stack | null> {
  const { DescribeStacksCommand } = await import('@aws-sdk/client-cloudformation');
  const found = await atAws(`look for the stack ${stack}`, () =>
    orNull(client.send(new DescribeStacksCommand({ StackName: stack })), isNoStack),
  );
  return found?.Stacks?.[0] ?? null;
}

const isNoStack = (error: unknown): boolean =>
  nameOf(error) === 'ValidationError' && /does not exist/.test((error as Error).message);

/** The values that a stack was last given. */
export function parametersOf({ Parameters = [] }: Stack): Parameters {
  return Object.fromEntries(
    Parameters.map(({ ParameterKey, ParameterValue }) => [ParameterKey!, ParameterValue ?? '']),
  );
}

/** What a stack tells, such as its URL, by the names that the template gives it. */
export function outputsOf({ Outputs = [] }: Stack): Readonly<Record<string, string>> {
  return Object.fromEntries(Outputs.map(({ OutputKey, OutputValue }) => [OutputKey!, OutputValue!]));
}

/**
 * Brings the stack to the template with these parameters; what is not named keeps its value. Waits until it is done.
 * @throws UserError where CloudFormation could not, and went back to what was before
 */
export async function applyStack(
  context: StackContext,
  template: string,
  parameters: Parameters,
): Promise<'created' | 'updated' | 'unchanged'> {
  const current = await settle(context);
  const changeSet = await createChangeSet(context, current, template, parameters);
  if (changeSet === null) return 'unchanged';
  const { ExecuteChangeSetCommand } = await import('@aws-sdk/client-cloudformation');
  const former = await lastEvent(context);
  await atAws(`change the stack ${context.stack}`, () =>
    context.client
      .send(new ExecuteChangeSetCommand({ ChangeSetName: changeSet, StackName: context.stack }))
      .catch((error: unknown) => {
        // Asked again after an answer that was lost: it is being executed, or has been.
        if (!/^(InvalidChangeSetStatus|ChangeSetNotFound)/.test(nameOf(error))) throw error;
      }),
  );
  const after = await waitUntilStable(context, former);
  if (!/^(CREATE|UPDATE)_COMPLETE$/.test(after?.StackStatus ?? '')) {
    throw new UserError(
      `the stack ${context.stack} could not be ${current ? 'updated' : 'made'}: ${await reasonSince(context, former)}`,
      current ? 'It went back to what it was before.' : 'Mend the reason and run again.',
    );
  }
  return current ? 'updated' : 'created';
}

/** What `applyStack` would change, without changing anything. */
export async function previewStack(context: StackContext, template: string, parameters: Parameters): Promise<Change[]> {
  const current = await describeStack(context);
  const isEmpty = current === null || current.StackStatus === 'REVIEW_IN_PROGRESS';
  const changeSet = await createChangeSet(context, isEmpty ? null : current, template, parameters);
  if (changeSet === null) return [];
  const changes = await changesOf(context, changeSet);
  const { DeleteChangeSetCommand, DeleteStackCommand } = await import('@aws-sdk/client-cloudformation');
  await atAws('discard the change set', async () => {
    await context.client.send(new DeleteChangeSetCommand({ ChangeSetName: changeSet, StackName: context.stack }));
    // A change set of a new stack leaves an empty one.
    if (isEmpty) await context.client.send(new DeleteStackCommand({ StackName: context.stack }));
  });
  return changes;
}

/** Deletes the stack and waits. Returns whether there was one. */
export async function deleteStack(context: StackContext): Promise<boolean> {
  if ((await describeStack(context)) === null) return false;
  await waitUntilStable(context);
  const { DeleteStackCommand } = await import('@aws-sdk/client-cloudformation');
  const former = await lastEvent(context);
  await atAws(`delete the stack ${context.stack}`, () =>
    context.client.send(new DeleteStackCommand({ StackName: context.stack })),
  );
  const after = await waitUntilStable(context, former);
  if (after !== null)
    throw new UserError(
      `the stack ${context.stack} could not be deleted: ${await reasonSince(context, former)}`,
      'Mend the reason and run again.',
    );
  return true;
}

/** The stack in a state that can be changed; null where there is none, or nothing in it. */
async function settle(context: StackContext): Promise<Stack | null> {
  const stack = await waitUntilStable(context);
  switch (stack?.StackStatus) {
    case undefined:
    case 'REVIEW_IN_PROGRESS': // only ever had a change set
      return null;
    case 'CREATE_COMPLETE':
    case 'UPDATE_COMPLETE':
    case 'UPDATE_ROLLBACK_COMPLETE':
      return stack!;
    case 'ROLLBACK_COMPLETE': // could not be made: nothing is left in it, but it is in the way
    case 'CREATE_FAILED':
      await deleteStack(context);
      return null;
    default:
      throw new UserError(
        `the stack ${context.stack} is in the state ${stack!.StackStatus}`,
        'See what CloudFormation says of it: aws cloudformation describe-stack-events. ' +
          'Or begin anew: slim deploy --destroy NAME.',
      );
  }
}

/** A change set that is ready to be executed; null where nothing would change. */
async function createChangeSet(
  { client, stack, signal }: StackContext,
  current: Stack | null,
  template: string,
  parameters: Parameters,
): Promise<string | null> {
  const { CreateChangeSetCommand, DeleteChangeSetCommand, DescribeChangeSetCommand } = await import(
    '@aws-sdk/client-cloudformation'
  );
  const name = `slim-${Date.now()}-${randomBytes(4).toString('hex')}`;
  const kept = Object.keys(current ? parametersOf(current) : {}).filter(
    (key) => !Object.hasOwn(parameters, key) && key in (JSON.parse(template) as { Parameters: object }).Parameters,
  );
  return atAws(`prepare the change of the stack ${stack}`, async () => {
    await client
      .send(
        new CreateChangeSetCommand({
          StackName: stack,
          ChangeSetName: name,
          ChangeSetType: current ? 'UPDATE' : 'CREATE',
          TemplateBody: template,
          Capabilities: ['CAPABILITY_IAM'],
          Parameters: [
            ...Object.entries(parameters).map(([ParameterKey, ParameterValue]) => ({ ParameterKey, ParameterValue })),
            ...kept.map((ParameterKey) => ({ ParameterKey, UsePreviousValue: true })),
          ],
          Tags: [{ Key: 'made-by', Value: 'slim' }],
        }),
      )
      .catch((error: unknown) => {
        // Asked again after an answer that was lost: the name is ours alone.
        if (nameOf(error) !== 'AlreadyExistsException') throw error;
      });
    for await (const _ of polls(signal)) {
      const { Status, StatusReason = '' } = await client.send(
        new DescribeChangeSetCommand({ StackName: stack, ChangeSetName: name }),
      );
      if (Status === 'CREATE_COMPLETE') return name;
      if (Status !== 'FAILED') continue;
      await client.send(new DeleteChangeSetCommand({ StackName: stack, ChangeSetName: name }));
      if (/didn't contain changes|No updates are to be performed/.test(StatusReason)) return null;
      throw new UserError(`CloudFormation refuses the change of the stack ${stack}: ${StatusReason}`);
    }
    throw new Error('unreachable: polling ends by returning or throwing');
  });
}

async function changesOf({ client, stack }: StackContext, changeSet: string): Promise<Change[]> {
  const { DescribeChangeSetCommand } = await import('@aws-sdk/client-cloudformation');
  const changes: Change[] = [];
  let NextToken: string | undefined;
  do {
    const page = await client.send(
      new DescribeChangeSetCommand({ StackName: stack, ChangeSetName: changeSet, NextToken }),
    );
    for (const { ResourceChange: change } of page.Changes ?? []) {
      changes.push({
        action: change?.Action ?? '',
        resource: change?.LogicalResourceId ?? '',
        type: change?.ResourceType ?? '',
        replacement: change?.Replacement === 'True',
      });
    }
    NextToken = page.NextToken;
  } while (NextToken);
  return changes;
}

/**
 * Waits while CloudFormation works on the stack, and tells what happens to it after the event `former`, where that is
 * given.
 */
async function waitUntilStable(context: StackContext, former?: string | null): Promise<Stack | null> {
  const told = new Set<string>();
  for await (const _ of polls(context.signal)) {
    const stack = await describeStack(context);
    const isBusy = /_IN_PROGRESS$/.test(stack?.StackStatus ?? '') && stack?.StackStatus !== 'REVIEW_IN_PROGRESS';
    if (stack && context.onEvent && former !== undefined) {
      for (const { EventId, ResourceStatus, LogicalResourceId } of (await eventsAfter(context, former)).filter(
        ({ EventId }) => !told.has(EventId!),
      )) {
        told.add(EventId!);
        if (!/_IN_PROGRESS$/.test(ResourceStatus ?? '')) context.onEvent(`${LogicalResourceId}: ${ResourceStatus}`);
      }
    }
    if (!isBusy) return stack;
  }
  throw new Error('unreachable: polling ends by returning or throwing');
}

/** The last thing that happened to the stack; null where nothing did. */
async function lastEvent(context: StackContext): Promise<string | null> {
  for await (const { EventId } of events(context)) return EventId!;
  return null;
}

/** Newest first; none of a stack that is gone. */
async function* events({ client, stack }: StackContext): AsyncGenerator<StackEvent> {
  const { paginateDescribeStackEvents } = await import('@aws-sdk/client-cloudformation');
  try {
    for await (const { StackEvents = [] } of paginateDescribeStackEvents({ client }, { StackName: stack }))
      yield* StackEvents;
  } catch (error) {
    if (!isNoStack(error)) throw error;
  }
}

/** Oldest first. */
async function eventsAfter(context: StackContext, former: string | null): Promise<StackEvent[]> {
  return atAws(`read the events of the stack ${context.stack}`, async () => {
    const after: StackEvent[] = [];
    for await (const event of events(context)) {
      if (event.EventId === former) break;
      after.unshift(event);
    }
    return after;
  });
}

/** The first failure is the reason; those after it are what was cancelled because of it. */
async function reasonSince(context: StackContext, former: string | null): Promise<string> {
  const failed = (await eventsAfter(context, former)).find(({ ResourceStatus }) =>
    /_FAILED$/.test(ResourceStatus ?? ''),
  );
  return failed ? `${failed.LogicalResourceId}: ${failed.ResourceStatusReason}` : 'CloudFormation does not say why';
}

/**
 * Something to look at again and again: soon at first, every five seconds later, until half an hour has passed.
 * @throws Interrupted
 */
async function* polls(signal: AbortSignal): AsyncGenerator<void> {
  const end = Date.now() + 30 * 60_000;
  for (let waitMs = 100; Date.now() < end; waitMs = Math.min(5000, waitMs * 1.5)) {
    throwIfInterrupted(signal);
    yield;
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
  throw new UserError(
    'CloudFormation has not finished after half an hour',
    'Run the same command again to wait for longer.',
  );
}
