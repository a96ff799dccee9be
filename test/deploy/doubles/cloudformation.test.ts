/**
 * The stand-in for CloudFormation: templates, change sets, and what becomes of stacks that fail. Error texts are those
 * that AWS gave.
 */
import {
  CreateChangeSetCommand,
  type CreateChangeSetCommandInput,
  DeleteChangeSetCommand,
  DeleteStackCommand,
  DescribeChangeSetCommand,
  type DescribeChangeSetCommandOutput,
  DescribeStackEventsCommand,
  DescribeStacksCommand,
  ExecuteChangeSetCommand,
  GetTemplateCommand,
  paginateDescribeChangeSet,
} from '@aws-sdk/client-cloudformation';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Aws, startAws } from '../../support/aws/aws.ts';
import { evaluate } from '../../support/aws/cloudformation/intrinsics.ts';
import { ACCOUNT, type Identity } from '../../support/aws/identity.ts';
import { type Clients, clientsFor, deploy, STACK, stackOf, storeCode, TEMPLATE, until } from './small-stack.ts';

let aws: Aws;
let clients: Clients;
beforeEach(() => start());
afterEach(() => aws.close());

async function start(resourceMs?: number): Promise<void> {
  aws = await startAws({ resourceMs });
  clients = clientsFor(aws);
  storeCode(aws, 'code-1', 'export const handler = async () => 1;');
  storeCode(aws, 'code-2', 'export const handler = async () => 2;');
}

/** Starts anew, so slow that clients can do something meanwhile. */
async function restartSlowly(): Promise<void> {
  await aws.close();
  await start(200);
}

const refused = (name: string, message: string | RegExp): object =>
  expect.objectContaining({ name, message: typeof message === 'string' ? message : expect.stringMatching(message) });

function createChangeSet(input: Partial<CreateChangeSetCommandInput> = {}): Promise<unknown> {
  return clients.cloudFormation.send(
    new CreateChangeSetCommand({
      StackName: STACK,
      ChangeSetName: 'one',
      ChangeSetType: 'CREATE',
      TemplateBody: JSON.stringify(TEMPLATE),
      Capabilities: ['CAPABILITY_IAM'],
      Parameters: [{ ParameterKey: 'CodeKey', ParameterValue: 'code-1' }],
      ...input,
    }),
  );
}

async function changeSet(ChangeSetName = 'one'): Promise<DescribeChangeSetCommandOutput> {
  const describe = (): Promise<DescribeChangeSetCommandOutput> =>
    clients.cloudFormation.send(new DescribeChangeSetCommand({ StackName: STACK, ChangeSetName }));
  await until(async () => (await describe()).Status !== 'CREATE_IN_PROGRESS');
  return describe();
}

/** All pages. */
async function changes(ChangeSetName = 'one'): Promise<string[]> {
  await changeSet(ChangeSetName);
  const found: string[] = [];
  for await (const { Changes = [] } of paginateDescribeChangeSet(
    { client: clients.cloudFormation },
    { StackName: STACK, ChangeSetName },
  )) {
    found.push(
      ...Changes.map(({ ResourceChange: change }) =>
        [
          change!.Action,
          change!.LogicalResourceId,
          change!.Replacement ?? '-',
          ...(change!.Details ?? []).map(({ Target }) => Target!.Name),
        ].join(' '),
      ),
    );
  }
  return found;
}

/** Of what happened, oldest first: `LOGICAL_ID STATUS`. */
function events(): string[] {
  return aws.stacks[0].events.map(({ logicalId, status }) => `${logicalId} ${status}`);
}

const update = { ChangeSetType: 'UPDATE', ChangeSetName: 'two' } as const;

describe('a new stack', () => {
  it('has nothing but a change set at first', async () => {
    await createChangeSet();
    expect(await stackOf(clients.cloudFormation)).toMatchObject({
      StackStatus: 'REVIEW_IN_PROGRESS',
      StackStatusReason: 'User Initiated',
    });
    const { Status, ExecutionStatus, Changes, NextToken } = await changeSet();
    expect([Status, ExecutionStatus, Changes!.length, NextToken]).toEqual([
      'CREATE_COMPLETE',
      'AVAILABLE',
      3,
      undefined,
    ]);
    expect(await changes()).toEqual(['Add Logs -', 'Add Role -', 'Add Function -']);
    expect(aws.functions.size).toBe(0);
  });

  it('comes to be, resource by resource', async () => {
    const { Outputs, Parameters, Tags } = await deploy(
      clients,
      { CodeKey: 'code-1', LiveVersion: '$LATEST', Token: 'secret' },
      { tags: { 'slim:name': 'cats' } },
    );
    expect(events()).toEqual([
      `${STACK} REVIEW_IN_PROGRESS`,
      `${STACK} CREATE_IN_PROGRESS`,
      ...['Logs', 'Role', 'Function', 'Alias', 'Url', 'UrlPermission', 'InvokePermission'].flatMap((id) => [
        `${id} CREATE_IN_PROGRESS`,
        `${id} CREATE_COMPLETE`,
      ]),
      `${STACK} CREATE_COMPLETE`,
    ]);
    expect(Outputs).toEqual([
      { OutputKey: 'FunctionName', OutputValue: STACK },
      { OutputKey: 'Url', OutputValue: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/$/) },
    ]);
    expect(Parameters).toEqual([
      { ParameterKey: 'CodeKey', ParameterValue: 'code-1' },
      { ParameterKey: 'MemorySize', ParameterValue: '512' },
      { ParameterKey: 'LiveVersion', ParameterValue: '$LATEST' },
      { ParameterKey: 'AuthType', ParameterValue: 'NONE' },
      { ParameterKey: 'Token', ParameterValue: '****' },
    ]);
    expect(Tags).toEqual([{ Key: 'slim:name', Value: 'cats' }]);
    const { configuration } = aws.functions.get(STACK)!.latest;
    expect(configuration).toMatchObject({
      MemorySize: 512,
      Timeout: 10,
      Architectures: ['arm64'],
      Environment: { Variables: { SLIM_TOKEN: 'secret' } },
    });
    expect(aws.logGroups).toEqual(new Map([['/aws/lambda/slim-cats', { retentionInDays: 14 }]]));
    const { TemplateBody } = await clients.cloudFormation.send(new GetTemplateCommand({ StackName: STACK }));
    expect(JSON.parse(TemplateBody!)).toEqual(TEMPLATE);
  });

  it('tells its events page by page, the newest first', async () => {
    await deploy(clients, { CodeKey: 'code-1' });
    const told: string[] = [];
    for (let token: string | undefined; ; ) {
      const { StackEvents, NextToken } = await clients.cloudFormation.send(
        new DescribeStackEventsCommand({ StackName: STACK, NextToken: token }),
      );
      told.push(
        ...StackEvents!.map(({ LogicalResourceId, ResourceStatus }) => `${LogicalResourceId} ${ResourceStatus}`),
      );
      token = NextToken;
      if (token === undefined) break;
    }
    expect(told.reverse()).toEqual(events());
  });

  it.for([
    [
      'code that is not there',
      { CodeKey: 'none' },
      'Resource handler returned message: "Error occurred while GetObject. S3 Error Code: NoSuchKey. ' +
        'S3 Error Message: The specified key does not exist. ' +
        '(Service: Lambda, Status Code: 400, Request ID: slim-test)" ' +
        '(RequestToken: slim-test, HandlerErrorCode: InvalidRequest)',
    ],
    [
      'too little memory',
      { CodeKey: 'code-1', MemorySize: '64' },
      expect.stringContaining(
        "Value '64' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128",
      ),
    ],
  ] as const)('is rolled back for %s, and can only be deleted then', async ([, parameters, reason]) => {
    const { StackStatus } = await deploy(clients, parameters);
    expect(StackStatus).toBe('ROLLBACK_COMPLETE');
    expect(events().slice(6)).toEqual([
      'Function CREATE_IN_PROGRESS',
      'Function CREATE_FAILED',
      `${STACK} ROLLBACK_IN_PROGRESS`,
      'Role DELETE_IN_PROGRESS',
      'Role DELETE_COMPLETE',
      'Logs DELETE_IN_PROGRESS',
      'Logs DELETE_COMPLETE',
      `${STACK} ROLLBACK_COMPLETE`,
    ]);
    expect(aws.stacks[0].events.find(({ status }) => status === 'CREATE_FAILED')!.reason).toEqual(reason);
    expect([aws.functions.size, aws.roles.size, aws.logGroups.size]).toEqual([0, 0, 0]);
    await expect(createChangeSet(update)).rejects.toEqual(
      refused(
        'ValidationError',
        /^Stack:arn:aws:cloudformation:us-east-1:\d+:stack\/slim-cats\/\S+ is in ROLLBACK_COMPLETE state and can not be updated\.$/,
      ),
    );
    await expect(createChangeSet()).rejects.toEqual(
      refused(
        'ValidationError',
        'Stack [slim-cats] already exists and cannot be created again with the changeSet [one].',
      ),
    );
    await clients.cloudFormation.send(new DeleteStackCommand({ StackName: STACK }));
    await until(async () => (await stackOf(clients.cloudFormation)) === null);
    expect((await deploy(clients, { CodeKey: 'code-1' })).StackStatus).toBe('CREATE_COMPLETE');
  });

  it('stops where it is, and goes, when it is deleted meanwhile', async () => {
    await restartSlowly();
    await createChangeSet();
    await changeSet();
    await clients.cloudFormation.send(new ExecuteChangeSetCommand({ StackName: STACK, ChangeSetName: 'one' }));
    await clients.cloudFormation.send(new DeleteStackCommand({ StackName: STACK }));
    await until(async () => (await stackOf(clients.cloudFormation)) === null);
    expect(events()).toEqual([
      `${STACK} REVIEW_IN_PROGRESS`,
      `${STACK} CREATE_IN_PROGRESS`,
      'Logs CREATE_IN_PROGRESS',
      `${STACK} DELETE_IN_PROGRESS`,
      'Logs CREATE_COMPLETE',
      'Logs DELETE_IN_PROGRESS',
      'Logs DELETE_COMPLETE',
      `${STACK} DELETE_COMPLETE`,
    ]);
    expect(aws.logGroups.size).toBe(0);
  });
});

describe('a change set', () => {
  it('names what would change, and what would be replaced', async () => {
    await deploy(clients, { CodeKey: 'code-1', LiveVersion: '$LATEST' });
    const template = structuredClone(TEMPLATE) as {
      Resources: Record<string, { Properties: Record<string, unknown> }>;
    };
    template.Resources.Alias.Properties.Name = 'now';
    delete template.Resources.InvokePermission;
    await createChangeSet({
      ...update,
      TemplateBody: JSON.stringify(template),
      Parameters: [
        { ParameterKey: 'CodeKey', ParameterValue: 'code-2' },
        { ParameterKey: 'LiveVersion', UsePreviousValue: true },
      ],
    });
    expect(await changes('two')).toEqual([
      'Modify Function False Code',
      'Modify Alias True Name',
      'Modify UrlPermission True FunctionName',
      'Remove InvokePermission -',
    ]);
  });

  it('fails where nothing would change, and cannot be executed then', async () => {
    await deploy(clients, { CodeKey: 'code-1' });
    await createChangeSet(update);
    const failed = await changeSet('two');
    expect([failed.Status, failed.ExecutionStatus, failed.StatusReason]).toEqual([
      'FAILED',
      'UNAVAILABLE',
      "The submitted information didn't contain changes. Submit different information to create a change set.",
    ]);
    await expect(
      clients.cloudFormation.send(new ExecuteChangeSetCommand({ StackName: STACK, ChangeSetName: 'two' })),
    ).rejects.toEqual(
      refused(
        'InvalidChangeSetStatusException',
        /^ChangeSet \[arn:aws:cloudformation:us-east-1:\d+:changeSet\/two\/\S+\] cannot be executed in its current status of \[FAILED\]$/,
      ),
    );
    await clients.cloudFormation.send(new DeleteChangeSetCommand({ StackName: STACK, ChangeSetName: 'two' }));
    await createChangeSet({ ...update, Tags: [{ Key: 'a', Value: 'b' }] });
    expect((await changeSet('two')).Changes!.map(({ ResourceChange }) => ResourceChange!.Scope)).toEqual([
      ['Tags'],
      ['Tags'],
      ['Tags'],
    ]);
  });

  it('has a name of its own, and a stack', async () => {
    await expect(createChangeSet(update)).rejects.toEqual(
      refused('ValidationError', 'Stack [slim-cats] does not exist'),
    );
    await createChangeSet();
    await expect(createChangeSet()).rejects.toEqual(refused('AlreadyExistsException', 'ChangeSet one already exists'));
    await expect(createChangeSet(update)).rejects.toEqual(
      refused('ValidationError', 'Stack [slim-cats] does not exist'),
    ); // REVIEW_IN_PROGRESS
    await expect(
      clients.cloudFormation.send(new ExecuteChangeSetCommand({ StackName: STACK, ChangeSetName: 'none' })),
    ).rejects.toEqual(refused('ChangeSetNotFoundException', 'ChangeSet [none] does not exist'));
    await expect(
      clients.cloudFormation.send(new DescribeChangeSetCommand({ StackName: 'nostack', ChangeSetName: 'one' })),
    ).rejects.toEqual(refused('ValidationError', 'Stack [nostack] does not exist'));
  });

  it('is executed once, and by one client', async () => {
    await restartSlowly();
    await createChangeSet({ ChangeSetName: 'other' });
    await createChangeSet();
    await changeSet();
    await clients.cloudFormation.send(new ExecuteChangeSetCommand({ StackName: STACK, ChangeSetName: 'one' }));
    await expect(
      clients.cloudFormation.send(new ExecuteChangeSetCommand({ StackName: STACK, ChangeSetName: 'one' })),
    ).rejects.toEqual(
      refused('InvalidChangeSetStatusException', 'An operation on this ChangeSet is currently in progress.'),
    );
    await expect(changeSet('other')).rejects.toEqual(
      refused('ChangeSetNotFoundException', 'ChangeSet [other] does not exist'),
    );
    await expect(createChangeSet(update)).rejects.toEqual(
      refused('ValidationError', /is in CREATE_IN_PROGRESS state and can not be updated\.$/),
    );
    await until(async () => (await stackOf(clients.cloudFormation))!.StackStatus === 'CREATE_COMPLETE');
    await expect(
      clients.cloudFormation.send(new ExecuteChangeSetCommand({ StackName: STACK, ChangeSetName: 'one' })),
    ).rejects.toEqual(refused('InvalidChangeSetStatusException', /cannot be executed/));
  });

  it.for([
    ['no JSON', { TemplateBody: '{' }, 'ValidationError', /^Template format error: JSON not well-formed/],
    [
      'an unknown type',
      { TemplateBody: JSON.stringify({ Resources: { A: { Type: 'AWS::Lambda::Fnction' } } }), Parameters: [] },
      'ValidationError',
      'Template format error: Unrecognized resource types: [AWS::Lambda::Fnction]',
    ],
    [
      'a name of nothing',
      {
        TemplateBody: JSON.stringify({
          Resources: { A: { Type: 'AWS::Logs::LogGroup', Properties: { LogGroupName: { 'Fn::Sub': 'x${Nothing}' } } } },
        }),
        Parameters: [],
      },
      'ValidationError',
      'Template format error: Unresolved resource dependencies [Nothing] in the Resources block of the template',
    ],
    ['a missing value', { Parameters: [] }, 'ValidationError', 'Parameters: [CodeKey] must have values'],
    [
      'an unknown parameter',
      { Parameters: [{ ParameterKey: 'Code', ParameterValue: 'x' }] },
      'ValidationError',
      'Parameters: [Code] do not exist in the template',
    ],
    [
      'a value that is not allowed',
      {
        Parameters: [
          { ParameterKey: 'CodeKey', ParameterValue: 'x' },
          { ParameterKey: 'AuthType', ParameterValue: 'SOME' },
        ],
      },
      'ValidationError',
      "Parameter 'AuthType' must be one of AllowedValues",
    ],
    [
      'a role that nobody answers for',
      { Capabilities: [] },
      'InsufficientCapabilitiesException',
      'Requires capabilities : [CAPABILITY_IAM]',
    ],
  ] as const)('is refused for %s', async ([, input, name, message]) => {
    await expect(createChangeSet(input as Partial<CreateChangeSetCommandInput>)).rejects.toEqual(
      refused(name, message),
    );
    expect(aws.stacks).toEqual([]);
  });
});

describe('an updated stack', () => {
  it('changes what differs, makes what is new, and cleans up at the end', async () => {
    await deploy(clients, { CodeKey: 'code-1', LiveVersion: '$LATEST' });
    const before = aws.stacks[0].events.length;
    const { StackStatus } = await deploy(clients, { CodeKey: 'code-2', AuthType: 'AWS_IAM' });
    expect(StackStatus).toBe('UPDATE_COMPLETE');
    expect(events().slice(before)).toEqual([
      `${STACK} UPDATE_IN_PROGRESS`,
      'Function UPDATE_IN_PROGRESS',
      'Function UPDATE_COMPLETE',
      'Url UPDATE_IN_PROGRESS',
      'Url UPDATE_COMPLETE',
      `${STACK} UPDATE_COMPLETE_CLEANUP_IN_PROGRESS`,
      'InvokePermission DELETE_IN_PROGRESS',
      'InvokePermission DELETE_COMPLETE',
      'UrlPermission DELETE_IN_PROGRESS',
      'UrlPermission DELETE_COMPLETE',
      `${STACK} UPDATE_COMPLETE`,
    ]);
    expect(aws.functions.get(STACK)!.permissions.size).toBe(0);
  });

  it('goes back to what it was where an update fails', async () => {
    await deploy(clients, { CodeKey: 'code-1', Token: 'old' });
    const { latest } = aws.functions.get(STACK)!;
    const before = aws.stacks[0].events.length;
    // The function changes well; an alias to a version that does not exist fails.
    const { StackStatus, Outputs, Parameters } = await deploy(clients, {
      CodeKey: 'code-2',
      Token: 'new',
      LiveVersion: '7',
    });
    expect(StackStatus).toBe('UPDATE_ROLLBACK_COMPLETE');
    expect(events().slice(before)).toEqual([
      `${STACK} UPDATE_IN_PROGRESS`,
      'Function UPDATE_IN_PROGRESS',
      'Function UPDATE_COMPLETE',
      'Alias CREATE_IN_PROGRESS',
      'Alias CREATE_FAILED',
      `${STACK} UPDATE_ROLLBACK_IN_PROGRESS`,
      'Function UPDATE_IN_PROGRESS',
      'Function UPDATE_COMPLETE',
      `${STACK} UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS`,
      `${STACK} UPDATE_ROLLBACK_COMPLETE`,
    ]);
    expect(aws.stacks[0].events.find(({ status }) => status === 'CREATE_FAILED')!.reason).toMatch(
      /Function not found: arn:aws:lambda:us-east-1:\d+:function:slim-cats:7 .*HandlerErrorCode: NotFound/,
    );
    const after = aws.functions.get(STACK)!;
    expect([after.latest.code, after.latest.configuration, after.aliases.size]).toEqual([
      latest.code,
      latest.configuration,
      0,
    ]);
    expect([
      Outputs!.length,
      Parameters!.find(({ ParameterKey }) => ParameterKey === 'CodeKey')!.ParameterValue,
    ]).toEqual([1, 'code-1']);
    expect((await deploy(clients, { CodeKey: 'code-2' })).StackStatus).toBe('UPDATE_COMPLETE');
  });

  it('cannot be deleted while it is being updated', async () => {
    await restartSlowly();
    await deploy(clients, { CodeKey: 'code-1' });
    await createChangeSet({ ...update, Parameters: [{ ParameterKey: 'CodeKey', ParameterValue: 'code-2' }] });
    await changeSet('two');
    await clients.cloudFormation.send(new ExecuteChangeSetCommand({ StackName: STACK, ChangeSetName: 'two' }));
    await expect(clients.cloudFormation.send(new DeleteStackCommand({ StackName: STACK }))).rejects.toEqual(
      refused('ValidationError', /cannot be deleted while in status UPDATE_IN_PROGRESS$/),
    );
  });
});

describe('a deleted stack', () => {
  it('leaves what it is told to leave, and is known by its id only', async () => {
    const { StackId } = await deploy(
      clients,
      { CodeKey: 'code-1' },
      {
        template: {
          ...TEMPLATE,
          Resources: { ...TEMPLATE.Resources, Logs: { ...TEMPLATE.Resources.Logs, DeletionPolicy: 'Retain' } },
        },
      },
    );
    await clients.cloudFormation.send(new DeleteStackCommand({ StackName: STACK }));
    await until(async () => (await stackOf(clients.cloudFormation)) === null);
    await clients.cloudFormation.send(new DeleteStackCommand({ StackName: STACK }));
    expect(events().slice(-6)).toEqual([
      'Function DELETE_IN_PROGRESS',
      'Function DELETE_COMPLETE',
      'Role DELETE_IN_PROGRESS',
      'Role DELETE_COMPLETE',
      'Logs DELETE_SKIPPED',
      `${STACK} DELETE_COMPLETE`,
    ]);
    expect([...aws.logGroups.keys()]).toEqual(['/aws/lambda/slim-cats']);
    expect(
      (await clients.cloudFormation.send(new DescribeStacksCommand({ StackName: StackId }))).Stacks![0].StackStatus,
    ).toBe('DELETE_COMPLETE');
    // What was left is in the way of the next one.
    expect((await deploy(clients, { CodeKey: 'code-1' })).StackStatus).toBe('ROLLBACK_COMPLETE');
  });
});

it('lets nobody in whose policies do not', async () => {
  const user: Identity = {
    accessKeyId: 'AKIAREADER',
    secretAccessKey: 'x',
    account: ACCOUNT,
    arn: `arn:aws:iam::${ACCOUNT}:user/reader`,
    policies: [
      {
        Statement: {
          Effect: 'Allow',
          Action: 'cloudformation:Describe*',
          Resource: `arn:aws:cloudformation:*:*:stack/slim-*`,
        },
      },
    ],
  };
  aws.identities.set(user.accessKeyId, user);
  await deploy(clients, { CodeKey: 'code-1' });
  const { cloudFormation } = clientsFor(aws, user);
  expect((await stackOf(cloudFormation))!.StackStatus).toBe('CREATE_COMPLETE');
  await expect(cloudFormation.send(new DeleteStackCommand({ StackName: STACK }))).rejects.toEqual(
    refused(
      'AccessDenied',
      /^User: arn:aws:iam::123456789012:user\/reader is not authorized to perform: cloudformation:DeleteStack on resource: /,
    ),
  );
  aws.inject(({ operation, count }) =>
    operation === 'DescribeStacks' && count === 1 ? { kind: 'status', status: 400, code: 'Throttling' } : null,
  );
  await expect(stackOf(cloudFormation)).rejects.toEqual(expect.objectContaining({ name: 'Throttling' }));
  expect(await stackOf(cloudFormation)).not.toBeNull();
});

describe('intrinsic functions', () => {
  const scope = {
    ref: (name: string) => `<${name}>`,
    getAtt: (resource: string, attribute: string) => `<${resource}.${attribute}>`,
    condition: (name: string) => name === 'Yes',
  };
  it.for([
    [{ Ref: 'A' }, '<A>'],
    [{ 'Fn::GetAtt': ['A', 'Arn'] }, '<A.Arn>'],
    [{ 'Fn::Sub': '${A}/${A.Arn}/${!A}' }, '<A>/<A.Arn>/${A}'],
    [{ 'Fn::Sub': ['${A}-${B}', { A: { Ref: 'C' } }] }, '<C>-<B>'],
    [{ 'Fn::Join': ['-', ['a', { Ref: 'A' }]] }, 'a-<A>'],
    [{ 'Fn::If': ['Yes', 1, 2] }, 1],
    [{ 'Fn::If': ['No', 1, { a: { Ref: 'A' } }] }, { a: '<A>' }],
    [{ a: { 'Fn::If': ['No', 1, { Ref: 'AWS::NoValue' }] }, b: [1, { Ref: 'AWS::NoValue' }] }, { b: [1] }],
    [{ 'Fn::Equals': [{ Ref: 'A' }, '<A>'] }, true],
    [{ 'Fn::Equals': ['1', 1] }, true],
    [{ 'Fn::And': [{ Condition: 'Yes' }, { 'Fn::Not': [{ Condition: 'No' }] }] }, true],
    [{ 'Fn::Or': [{ Condition: 'No' }, { Condition: 'No' }] }, false],
  ] as const)('%j is %j', ([template, value]) => {
    expect(evaluate(template, scope)).toEqual(value);
  });
});
