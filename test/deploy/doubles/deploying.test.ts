/**
 * A function deployed to the stand-in for AWS by the SDK's clients, in the steps that Slim takes, and asked at its URL.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { DeleteStackCommand } from '@aws-sdk/client-cloudformation';
import {
  GetAliasCommand,
  GetFunctionConfigurationCommand,
  InvokeCommand,
  ListVersionsByFunctionCommand,
  PublishVersionCommand,
} from '@aws-sdk/client-lambda';
import { CreateBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { GetCallerIdentityCommand } from '@aws-sdk/client-sts';
import { strToU8, zipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Aws, administrator, environmentFor, startAws } from '../../support/aws/aws.ts';
import { lambdaAbsent } from '../../support/aws/lambda-runtime.ts';
import { BUCKET, type Clients, clientsFor, deploy, outputsOf, STACK, stackOf, until } from './small-stack.ts';

const run = promisify(execFile);
let aws: Aws;
let clients: Clients;
beforeAll(async () => {
  aws = await startAws();
  clients = clientsFor(aws);
});
afterAll(() => aws.close());

/** A handler that answers with a number of its own. */
function moduleFor(number: number): string {
  return `export const handler = async (event) => ({
    statusCode: 200,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      number: ${number},
      path: event.rawPath,
      version: process.env.AWS_LAMBDA_FUNCTION_VERSION,
      token: process.env.SLIM_TOKEN,
    }),
  });`;
}

async function upload(Key: string, module: string): Promise<void> {
  const zip = zipSync({ 'index.mjs': strToU8(module) });
  await clients.s3.send(
    new PutObjectCommand({ Bucket: BUCKET, Key, Body: zip, IfNoneMatch: '*', ChecksumAlgorithm: 'SHA256' }),
  );
}

/** Publishes and waits until the version can be invoked. */
async function publish(): Promise<string> {
  const { lambda } = clients;
  const { Version: Qualifier } = await lambda.send(new PublishVersionCommand({ FunctionName: STACK }));
  await until(
    async () =>
      (await lambda.send(new GetFunctionConfigurationCommand({ FunctionName: STACK, Qualifier }))).State === 'Active',
  );
  return Qualifier!;
}

it('is found by other processes through the environment', async () => {
  const program = `
    import { STSClient, GetCallerIdentityCommand } from '@aws-sdk/client-sts';
    console.log((await new STSClient().send(new GetCallerIdentityCommand())).Arn);
  `;
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', program], {
    env: { ...environmentFor(aws, administrator), PATH: process.env.PATH },
  });
  expect(stdout).toBe(`${administrator.arn}\n`);
});

const EVENT = {
  version: '2.0',
  rawPath: '/smoke',
  rawQueryString: '',
  headers: {},
  requestContext: { http: { method: 'GET', path: '/smoke' } },
  isBase64Encoded: false,
};

describe
  .skipIf(lambdaAbsent !== null)
  .sequential(`deploying${lambdaAbsent === null ? '' : ` (skipped: ${lambdaAbsent})`}`, () => {
    let url: string;

    it('uploads code, makes a function, tries a version, and only then has it answer at a URL', async () => {
      const { Account } = await clients.sts.send(new GetCallerIdentityCommand({}));
      expect(BUCKET).toBe(`slim-${Account}-us-east-1`);
      await clients.s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
      await upload('cats/code-1.zip', moduleFor(1));
      const created = await deploy(clients, { CodeKey: 'cats/code-1.zip', Token: 'secret' });
      expect(created).toMatchObject({
        StackStatus: 'CREATE_COMPLETE',
        Outputs: [{ OutputKey: 'FunctionName', OutputValue: STACK }],
      });
      expect(created.Parameters).toContainEqual({ ParameterKey: 'Token', ParameterValue: '****' });

      const version = await publish();
      expect(version).toBe('1');
      const smoke = await clients.lambda.send(
        new InvokeCommand({ FunctionName: STACK, Qualifier: version, Payload: JSON.stringify(EVENT), LogType: 'Tail' }),
      );
      expect(JSON.parse(JSON.parse(smoke.Payload!.transformToString()).body)).toEqual({
        number: 1,
        path: '/smoke',
        version: '1',
        token: 'secret',
      });
      expect([smoke.FunctionError, smoke.ExecutedVersion, Buffer.from(smoke.LogResult!, 'base64').toString()]).toEqual([
        undefined,
        '1',
        expect.stringContaining('REPORT RequestId'),
      ]);

      const live = await deploy(clients, { LiveVersion: version });
      expect(live.StackStatus).toBe('UPDATE_COMPLETE');
      url = outputsOf(live).Url;
      expect(await (await fetch(`${url}v1/model`)).json()).toEqual({
        number: 1,
        path: '/v1/model',
        version: '1',
        token: 'secret',
      });
    });

    it('keeps the live version until the alias is moved, and goes back', async () => {
      await upload('cats/code-2.zip', moduleFor(2));
      await deploy(clients, { CodeKey: 'cats/code-2.zip' });
      expect(await (await fetch(url)).json()).toMatchObject({ number: 1 });
      const version = await publish();
      expect([version, await publish()]).toEqual(['2', '2']); // nothing changed: no version 3
      expect(outputsOf(await deploy(clients, { LiveVersion: version })).Url).toBe(url);
      expect(await (await fetch(url)).json()).toMatchObject({ number: 2, version: '2' });

      await deploy(clients, { LiveVersion: '1' });
      expect(await (await fetch(url)).json()).toMatchObject({ number: 1, version: '1' });
      expect(
        (await clients.lambda.send(new GetAliasCommand({ FunctionName: STACK, Name: 'live' }))).FunctionVersion,
      ).toBe('1');
      expect(
        (await clients.lambda.send(new ListVersionsByFunctionCommand({ FunctionName: STACK }))).Versions!.map(
          ({ Version }) => Version,
        ),
      ).toEqual(['$LATEST', '1', '2']);
    });

    it('tells of a function that fails', async () => {
      await upload('cats/code-3.zip', `throw new Error('no model');`);
      await deploy(clients, { CodeKey: 'cats/code-3.zip' });
      const broken = await clients.lambda.send(
        new InvokeCommand({ FunctionName: STACK, Qualifier: await publish(), Payload: JSON.stringify(EVENT) }),
      );
      expect([broken.FunctionError, JSON.parse(broken.Payload!.transformToString())]).toEqual([
        'Unhandled',
        expect.objectContaining({ errorType: 'Error', errorMessage: 'no model' }),
      ]);
      expect(await (await fetch(url)).json()).toMatchObject({ number: 1 });
    });

    it('takes it all away', async () => {
      await clients.cloudFormation.send(new DeleteStackCommand({ StackName: STACK }));
      await until(async () => (await stackOf(clients.cloudFormation)) === null);
      expect([aws.functions.size, aws.roles.size, aws.logGroups.size, aws.stacks.map(({ status }) => status)]).toEqual([
        0,
        0,
        0,
        ['DELETE_COMPLETE'],
      ]);
      await expect(fetch(url)).rejects.toThrow();
    });
  });
