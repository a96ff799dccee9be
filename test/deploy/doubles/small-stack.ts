/**
 * A function in a stack of its own, as Slim deploys one: code in S3, an alias that is moved on purpose, a URL for the
 * alias.
 */
import {
  CloudFormationClient,
  CreateChangeSetCommand,
  DescribeChangeSetCommand,
  DescribeStacksCommand,
  ExecuteChangeSetCommand,
  type Stack,
} from '@aws-sdk/client-cloudformation';
import { LambdaClient } from '@aws-sdk/client-lambda';
import { S3Client } from '@aws-sdk/client-s3';
import { STSClient } from '@aws-sdk/client-sts';
import { strToU8, zipSync } from 'fflate';
import { type Aws, administrator } from '../../support/aws/aws.ts';
import { newBucket, putObject } from '../../support/aws/s3/state.ts';

export const STACK = 'slim-cats';
export const BUCKET = 'slim-123456789012-us-east-1';

export interface Clients {
  readonly sts: STSClient;
  readonly s3: S3Client;
  readonly cloudFormation: CloudFormationClient;
  readonly lambda: LambdaClient;
}

export function clientsFor({ endpoint }: Aws, { accessKeyId, secretAccessKey } = administrator): Clients {
  const configuration = {
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId, secretAccessKey },
    maxAttempts: 1,
  };
  return {
    sts: new STSClient(configuration),
    s3: new S3Client({ ...configuration, forcePathStyle: true }),
    cloudFormation: new CloudFormationClient(configuration),
    lambda: new LambdaClient(configuration),
  };
}

/** Puts a handler's module into the bucket. */
export function storeCode({ buckets }: Aws, key: string, module: string): void {
  const bucket = buckets.get(BUCKET) ?? newBucket(BUCKET);
  buckets.set(BUCKET, bucket);
  putObject(bucket, key, Buffer.from(zipSync({ 'index.mjs': strToU8(module) })));
}

export interface StackParameters {
  readonly CodeKey?: string;
  readonly MemorySize?: string;
  /** Empty: no alias yet, and no URL. */
  readonly LiveVersion?: string;
  readonly AuthType?: string;
  readonly Token?: string;
}

/** Has a change set made and executed, and waits until the stack rests. What is not given stays as it was. */
export async function deploy(
  { cloudFormation }: Clients,
  parameters: StackParameters,
  { template = TEMPLATE as object, tags = {} as Record<string, string> } = {},
): Promise<Stack> {
  const known = await stackOf(cloudFormation);
  const ChangeSetName = `c${Date.now()}`;
  const StackName = STACK;
  const names = Object.keys(TEMPLATE.Parameters) as (keyof StackParameters)[];
  await cloudFormation.send(
    new CreateChangeSetCommand({
      StackName,
      ChangeSetName,
      ChangeSetType: known === null ? 'CREATE' : 'UPDATE',
      TemplateBody: JSON.stringify(template),
      Capabilities: ['CAPABILITY_IAM'],
      Parameters: names
        .filter((name) => known !== null || name in parameters)
        .map((ParameterKey) =>
          ParameterKey in parameters
            ? { ParameterKey, ParameterValue: parameters[ParameterKey] }
            : { ParameterKey, UsePreviousValue: true },
        ),
      Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })),
    }),
  );
  await until(
    async () =>
      (await cloudFormation.send(new DescribeChangeSetCommand({ StackName, ChangeSetName }))).Status !==
      'CREATE_IN_PROGRESS',
  );
  await cloudFormation.send(new ExecuteChangeSetCommand({ StackName, ChangeSetName }));
  await until(async () => !(await stackOf(cloudFormation))!.StackStatus!.endsWith('_IN_PROGRESS'));
  return (await stackOf(cloudFormation))!;
}

/** Null where there is none. */
export async function stackOf(client: CloudFormationClient): Promise<Stack | null> {
  try {
    return (await client.send(new DescribeStacksCommand({ StackName: STACK }))).Stacks![0];
  } catch (error) {
    if ((error as Error).message === `Stack with id ${STACK} does not exist`) return null;
    throw error;
  }
}

export async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 2));
}

export function outputsOf({ Outputs = [] }: Stack): Record<string, string> {
  return Object.fromEntries(Outputs.map(({ OutputKey, OutputValue }) => [OutputKey, OutputValue]));
}

const FUNCTION_ARN = { 'Fn::GetAtt': ['Function', 'Arn'] };

export const TEMPLATE = {
  AWSTemplateFormatVersion: '2010-09-09',
  Parameters: {
    CodeKey: { Type: 'String' },
    MemorySize: { Type: 'Number', Default: 512 },
    LiveVersion: { Type: 'String', Default: '' },
    AuthType: { Type: 'String', AllowedValues: ['NONE', 'AWS_IAM'], Default: 'NONE' },
    Token: { Type: 'String', NoEcho: true, Default: '' },
  },
  Conditions: {
    HasToken: { 'Fn::Not': [{ 'Fn::Equals': [{ Ref: 'Token' }, ''] }] },
    IsLive: { 'Fn::Not': [{ 'Fn::Equals': [{ Ref: 'LiveVersion' }, ''] }] },
    IsPublic: { 'Fn::And': [{ Condition: 'IsLive' }, { 'Fn::Equals': [{ Ref: 'AuthType' }, 'NONE'] }] },
  },
  Resources: {
    Logs: {
      Type: 'AWS::Logs::LogGroup',
      Properties: { LogGroupName: { 'Fn::Sub': '/aws/lambda/${AWS::StackName}' }, RetentionInDays: 14 },
    },
    Role: {
      Type: 'AWS::IAM::Role',
      Properties: {
        AssumeRolePolicyDocument: {
          Version: '2012-10-17',
          Statement: [{ Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' }, Action: 'sts:AssumeRole' }],
        },
        ManagedPolicyArns: [
          { 'Fn::Sub': 'arn:${AWS::Partition}:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole' },
        ],
        Policies: [
          {
            PolicyName: 'model',
            PolicyDocument: {
              Version: '2012-10-17',
              Statement: [
                {
                  Effect: 'Allow',
                  Action: 's3:GetObject',
                  Resource: { 'Fn::Join': ['', ['arn:aws:s3:::', BUCKET, '/cats/model-*']] },
                },
              ],
            },
          },
        ],
      },
    },
    Function: {
      Type: 'AWS::Lambda::Function',
      DependsOn: 'Logs',
      Properties: {
        FunctionName: { Ref: 'AWS::StackName' },
        Code: { S3Bucket: BUCKET, S3Key: { Ref: 'CodeKey' } },
        Handler: 'index.handler',
        Runtime: 'nodejs24.x',
        Architectures: ['arm64'],
        MemorySize: { Ref: 'MemorySize' },
        Timeout: 10,
        Role: { 'Fn::GetAtt': ['Role', 'Arn'] },
        Environment: {
          Variables: { SLIM_TOKEN: { 'Fn::If': ['HasToken', { Ref: 'Token' }, { Ref: 'AWS::NoValue' }] } },
        },
      },
    },
    Alias: {
      Type: 'AWS::Lambda::Alias',
      Condition: 'IsLive',
      Properties: { FunctionName: { Ref: 'Function' }, Name: 'live', FunctionVersion: { Ref: 'LiveVersion' } },
    },
    Url: {
      Type: 'AWS::Lambda::Url',
      Condition: 'IsLive',
      DependsOn: 'Alias',
      Properties: { TargetFunctionArn: FUNCTION_ARN, Qualifier: 'live', AuthType: { Ref: 'AuthType' } },
    },
    UrlPermission: {
      Type: 'AWS::Lambda::Permission',
      Condition: 'IsPublic',
      Properties: {
        FunctionName: { Ref: 'Alias' },
        Action: 'lambda:InvokeFunctionUrl',
        Principal: '*',
        FunctionUrlAuthType: 'NONE',
      },
    },
    InvokePermission: {
      Type: 'AWS::Lambda::Permission',
      Condition: 'IsPublic',
      Properties: {
        FunctionName: { Ref: 'Alias' },
        Action: 'lambda:InvokeFunction',
        Principal: '*',
        InvokedViaFunctionUrl: true,
      },
    },
  },
  Outputs: {
    FunctionName: { Value: { Ref: 'Function' } },
    Url: { Condition: 'IsLive', Value: { 'Fn::GetAtt': ['Url', 'FunctionUrl'] } },
  },
};
