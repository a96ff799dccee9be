/**
 * The stand-in for Lambda: versions, invocations, what a role may do, and who may use a function's URL. Error texts are
 * those that AWS gave.
 */
import { fileURLToPath } from 'node:url';
import {
  GetAliasCommand,
  GetFunctionCommand,
  GetFunctionConfigurationCommand,
  InvokeCommand,
  type InvokeCommandOutput,
  ListVersionsByFunctionCommand,
  PublishVersionCommand,
} from '@aws-sdk/client-lambda';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Aws, administrator, type Delays, startAws } from '../../support/aws/aws.ts';
import { ACCOUNT, type Identity, type Statement } from '../../support/aws/identity.ts';
import { lambdaAbsent } from '../../support/aws/lambda-runtime.ts';
import { putObject } from '../../support/aws/s3/state.ts';
import {
  BUCKET,
  type Clients,
  clientsFor,
  deploy,
  outputsOf,
  STACK,
  type StackParameters,
  storeCode,
  TEMPLATE,
  until,
} from './small-stack.ts';

let aws: Aws;
let clients: Clients;
beforeEach(() => start());
afterEach(() => aws.close());

async function start(delays: Delays = {}): Promise<void> {
  aws = await startAws(delays);
  clients = clientsFor(aws);
  storeCode(
    aws,
    'code-1',
    'export const handler = async (event) => ({ statusCode: 200, body: JSON.stringify(event) });',
  );
  storeCode(aws, 'code-2', 'export const handler = async () => 2;');
}

const skipped = lambdaAbsent === null ? '' : ` (skipped: ${lambdaAbsent})`;
const refused = (name: string, message: string | RegExp): object =>
  expect.objectContaining({ name, message: typeof message === 'string' ? message : expect.stringMatching(message) });
const ARN = `arn:aws:lambda:us-east-1:${ACCOUNT}:function:${STACK}`;
const FunctionName = STACK;

/** Makes the function, or changes it. */
async function deployed(
  parameters: StackParameters = {},
  options?: { readonly template: object },
): Promise<string | undefined> {
  return outputsOf(await deploy(clients, { CodeKey: 'code-1', ...parameters }, options)).Url;
}

async function invoke(payload: string | Uint8Array = '{}', input: object = {}): Promise<InvokeCommandOutput> {
  return clients.lambda.send(new InvokeCommand({ FunctionName, Payload: payload as Uint8Array, ...input }));
}

describe('versions', () => {
  it('are copies of the function as it was, one for each change', async () => {
    await deployed();
    const { lambda } = clients;
    const first = await lambda.send(new PublishVersionCommand({ FunctionName }));
    expect(first).toMatchObject({ Version: '1', FunctionArn: `${ARN}:1`, State: 'Pending', MemorySize: 512 });
    expect((await lambda.send(new PublishVersionCommand({ FunctionName, CodeSha256: first.CodeSha256 }))).Version).toBe(
      '1',
    );
    await deployed({ MemorySize: '1024' });
    const second = await lambda.send(new PublishVersionCommand({ FunctionName }));
    expect([second.Version, second.MemorySize, second.CodeSha256]).toEqual(['2', 1024, first.CodeSha256]);
    await deployed({ CodeKey: 'code-2' });
    await expect(
      lambda.send(new PublishVersionCommand({ FunctionName, CodeSha256: first.CodeSha256 })),
    ).rejects.toEqual(
      refused(
        'InvalidParameterValueException',
        /^CodeSHA256 \(\S+\) is different from current CodeSHA256 in \$LATEST \(\S+\)\. Please try again/,
      ),
    );
    expect((await lambda.send(new PublishVersionCommand({ FunctionName }))).Version).toBe('3');
    expect(await lambda.send(new GetFunctionConfigurationCommand({ FunctionName, Qualifier: '1' }))).toMatchObject({
      Version: '1',
      MemorySize: 512,
      CodeSha256: first.CodeSha256,
    });
    expect((await lambda.send(new GetFunctionCommand({ FunctionName }))).Configuration).toMatchObject({
      Version: '$LATEST',
      FunctionArn: ARN,
      MemorySize: 1024,
      State: 'Active',
      LastUpdateStatus: 'Successful',
    });
    const listed = [];
    for (let Marker: string | undefined; ; ) {
      const { Versions, NextMarker } = await lambda.send(new ListVersionsByFunctionCommand({ FunctionName, Marker }));
      listed.push(...Versions!.map(({ Version }) => Version));
      Marker = NextMarker;
      if (Marker === undefined) break;
    }
    expect(listed).toEqual(['$LATEST', '1', '2', '3']);
  });

  it('are not made of a function that is being changed, and not invoked before they are ready', async () => {
    await aws.close();
    await start({ pendingMs: 300 });
    const { lambda } = clients;
    const creating = deployed();
    await until(async () => aws.functions.has(STACK));
    expect(await lambda.send(new GetFunctionConfigurationCommand({ FunctionName }))).toMatchObject({
      State: 'Pending',
      StateReasonCode: 'Creating',
    });
    await expect(lambda.send(new PublishVersionCommand({ FunctionName }))).rejects.toEqual(
      refused(
        'ResourceConflictException',
        'The operation cannot be performed at this time. The function is currently in the following state: Pending',
      ),
    );
    await creating;
    const changing = deployed({ MemorySize: '1024' });
    await until(async () => aws.functions.get(STACK)!.latest.lastUpdateStatus === 'InProgress');
    expect(await lambda.send(new GetFunctionConfigurationCommand({ FunctionName }))).toMatchObject({
      State: 'Active',
      LastUpdateStatus: 'InProgress',
    });
    await expect(lambda.send(new PublishVersionCommand({ FunctionName }))).rejects.toEqual(
      refused(
        'ResourceConflictException',
        `The operation cannot be performed at this time. An update is in progress for resource: ${ARN}`,
      ),
    );
    await changing;
    await lambda.send(new PublishVersionCommand({ FunctionName }));
    await expect(invoke('{}', { Qualifier: '1' })).rejects.toEqual(
      refused(
        'ResourceConflictException',
        'The operation cannot be performed at this time. The function is currently in the following state: Pending',
      ),
    );
  });

  it('are asked for in vain where there are none', async () => {
    await expect(clients.lambda.send(new GetFunctionConfigurationCommand({ FunctionName }))).rejects.toEqual(
      refused('ResourceNotFoundException', `Function not found: ${ARN}`),
    );
    await deployed();
    await expect(invoke('{}', { Qualifier: '7' })).rejects.toEqual(
      refused('ResourceNotFoundException', `Function not found: ${ARN}:7`),
    );
    await expect(clients.lambda.send(new GetAliasCommand({ FunctionName, Name: 'live' }))).rejects.toEqual(
      refused('ResourceNotFoundException', `Cannot find alias arn: ${ARN}:live`),
    );
  });
});

describe('functions', () => {
  it.for([
    ['another runtime', { Runtime: 'nodejs18.x' }, "Value nodejs18.x at 'runtime' failed to satisfy constraint"],
    [
      'too long a timeout',
      { Timeout: 901 },
      "Value '901' at 'timeout' failed to satisfy constraint: Member must have value less than or equal to 900",
    ],
    ['an unknown architecture', { Architectures: ['x86'] }, "Value '[x86]' at 'architectures'"],
    [
      'a variable of Lambda',
      { Environment: { Variables: { AWS_REGION: 'x' } } },
      'Reserved keys used in this request: AWS_REGION',
    ],
    ['too many variables', { Environment: { Variables: { A: 'x'.repeat(4096) } } }, 'exceeded the 4KB limit'],
    [
      'a role that does not exist',
      { Role: `arn:aws:iam::${ACCOUNT}:role/none` },
      'The role defined for the function cannot be assumed by Lambda.',
    ],
    ['code that is no zip file', { Code: { S3Bucket: BUCKET, S3Key: 'text' } }, 'Could not unzip uploaded file.'],
  ] as const)('are refused for %s', async ([, properties, reason]) => {
    putObject(aws.buckets.get(BUCKET)!, 'text', Buffer.from('text'));
    const { Function } = TEMPLATE.Resources;
    await deployed(
      {},
      {
        template: {
          ...TEMPLATE,
          Resources: {
            ...TEMPLATE.Resources,
            Function: { ...Function, Properties: { ...Function.Properties, ...properties } },
          },
        },
      },
    );
    expect(aws.stacks[0].events.find(({ status }) => status === 'CREATE_FAILED')).toMatchObject({
      logicalId: 'Function',
      reason: expect.stringContaining(reason),
    });
  });
});

describe.skipIf(lambdaAbsent !== null)(`invocations${skipped}`, () => {
  it('refuse what is no JSON, and what is too large', async () => {
    await deployed();
    await expect(invoke('{')).rejects.toEqual(
      refused('InvalidRequestContentException', /^Could not parse request body into json: /),
    );
    await expect(invoke(new Uint8Array(6_291_457).fill(0x20))).rejects.toEqual(
      refused(
        'RequestTooLargeException',
        'Request must be smaller than 6291456 bytes for the InvokeFunction operation',
      ),
    );
  });

  it('give the end of the log', async () => {
    storeCode(
      aws,
      'code-3',
      `export const handler = async () => { console.log('x'.repeat(5000)); throw new RangeError('too wide'); };`,
    );
    await deployed({ CodeKey: 'code-3' });
    const { FunctionError, LogResult, Payload, ExecutedVersion } = await invoke('{}', { LogType: 'Tail' });
    expect([FunctionError, ExecutedVersion, JSON.parse(Payload!.transformToString())]).toEqual([
      'Unhandled',
      '$LATEST',
      expect.objectContaining({ errorType: 'RangeError', errorMessage: 'too wide' }),
    ]);
    expect(Buffer.from(LogResult!, 'base64').length).toBe(4096);
    expect((await invoke()).LogResult).toBeUndefined();
  });

  it('have the permissions of the role', async () => {
    const sdk = fileURLToPath(new URL('../../../node_modules/@aws-sdk/client-s3/dist-cjs/index.js', import.meta.url));
    storeCode(
      aws,
      'code-3',
      `
      import s3 from ${JSON.stringify(sdk)};
      const client = new s3.S3Client({ forcePathStyle: true });
      export const handler = async (Key) => {
        const { Body } = await client.send(new s3.GetObjectCommand({ Bucket: ${JSON.stringify(BUCKET)}, Key }));
        return Body.transformToString();
      };
    `,
    );
    for (const key of ['cats/model-1', 'dogs/model-1'])
      putObject(aws.buckets.get(BUCKET)!, key, Buffer.from('tensors'));
    await deployed({ CodeKey: 'code-3' });
    expect((await invoke('"cats/model-1"')).Payload!.transformToString()).toBe('"tensors"');
    for (const key of ['dogs/model-1', 'cats/model-2']) {
      expect(JSON.parse((await invoke(JSON.stringify(key))).Payload!.transformToString())).toMatchObject({
        errorType: 'AccessDenied',
      });
    }
  });
});

describe.skipIf(lambdaAbsent !== null)(`function URLs${skipped}`, () => {
  const forbidden = [403, { Message: 'Forbidden' }];
  const answerOf = async (response: Response): Promise<unknown[]> => [response.status, await response.json()];

  it('ask for both permissions', async () => {
    for (const missing of ['UrlPermission', 'InvokePermission']) {
      const template = {
        ...TEMPLATE,
        Resources: Object.fromEntries(Object.entries(TEMPLATE.Resources).filter(([name]) => name !== missing)),
      };
      expect(await answerOf(await fetch((await deployed({ LiveVersion: '$LATEST' }, { template }))!))).toEqual(
        forbidden,
      );
    }
    expect((await fetch((await deployed({ LiveVersion: '$LATEST' }))!)).status).toBe(200);
  });

  it('let in who signs, where they are not public', async () => {
    const url = (await deployed({ LiveVersion: '$LATEST', AuthType: 'AWS_IAM' }))!;
    expect(await answerOf(await fetch(url))).toEqual(forbidden);
    const event = await (await signedFetch(`${url}v1/model?a=%20b`, administrator)).json();
    expect(event).toMatchObject({
      rawPath: '/v1/model',
      rawQueryString: 'a=%20b',
      requestContext: {
        accountId: ACCOUNT,
        authorizer: { iam: { accessKey: administrator.accessKeyId, userArn: administrator.arn } },
      },
    });
    expect(await answerOf(await signedFetch(url, { ...administrator, secretAccessKey: 'wrong' }))).toEqual(forbidden);

    const allow = (Action: Statement['Action']): Identity => ({
      accessKeyId: 'AKIACALLER',
      secretAccessKey: 'x',
      account: ACCOUNT,
      arn: `arn:aws:iam::${ACCOUNT}:user/caller`,
      policies: [{ Statement: { Effect: 'Allow', Action, Resource: `${ARN}:live` } }],
    });
    aws.identities.set('AKIACALLER', allow('lambda:InvokeFunctionUrl'));
    expect(await answerOf(await signedFetch(url, aws.identities.get('AKIACALLER')!))).toEqual(forbidden);
    aws.identities.set('AKIACALLER', allow(['lambda:InvokeFunctionUrl', 'lambda:InvokeFunction']));
    expect((await signedFetch(url, aws.identities.get('AKIACALLER')!)).status).toBe(200);
  });

  it('answer 502 for a function that fails', async () => {
    storeCode(aws, 'code-3', `export const handler = async () => process.exit(1);`);
    const url = (await deployed({ CodeKey: 'code-3', LiveVersion: '$LATEST' }))!;
    const response = await fetch(url);
    expect([response.status, await response.text()]).toEqual([502, 'Internal Server Error']);
  });
});

/** Fetches with the signature that the SDK makes for Lambda. */
async function signedFetch(url: string, identity: Identity): Promise<Response> {
  const { hostname, port, pathname, searchParams, host } = new URL(url);
  const signer = await clientsFor(aws, identity).lambda.config.signer({
    schemeId: 'aws.auth#sigv4',
    name: 'sigv4',
    signingName: 'lambda',
    signingRegion: 'us-east-1',
    properties: {},
  } as never);
  const { headers } = (await signer.sign({
    method: 'GET',
    protocol: 'http:',
    hostname,
    port: Number(port),
    path: pathname,
    query: Object.fromEntries(searchParams),
    headers: { host },
  } as never)) as { headers: Record<string, string> };
  return fetch(url, { headers });
}
