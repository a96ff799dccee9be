/** The CloudFormation template, judged offline by AWS's own rules and schemas. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RegoEngine, TemplateFile } from '@aws/cloudformation-validate';
import { afterAll, expect, it } from 'vitest';
import { projectFolder } from '../support/imports.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const file = `${projectFolder}infra/aws-lambda/template.json`;
const template = JSON.parse(readFileSync(file, 'utf8')) as Template;
const folder = temporaryFolder();
const engine = new RegoEngine();
afterAll(() => engine.free());

interface Template {
  readonly Parameters: Readonly<Record<string, object>>;
  readonly Resources: Readonly<Record<string, { readonly Type: string; readonly Properties: Record<string, unknown> }>>;
}

/** What is wrong; remarks (that a name can't be changed later, that a resource could have tags) are not. */
function complaints(path: string): string[] {
  return engine
    .validateStandard(new TemplateFile(path))
    .diagnostics.filter(({ severity }) => severity !== 'INFO')
    .map(({ ruleId, message }) => `${ruleId} ${message}`);
}

it('is valid', () => {
  expect(complaints(file)).toEqual([]);
});

it.each<[string, (resources: any) => void]>([
  [
    'a runtime that does not exist',
    ({ Function }) => {
      Function.Properties.Runtime = 'nodejs99.x';
    },
  ],
  [
    'a misspelt property',
    ({ Url }) => {
      Url.Properties.AuthTyp = 'NONE';
    },
  ],
  [
    'a reference to nothing',
    ({ Alias }) => {
      Alias.Properties.FunctionVersion = { Ref: 'Nothing' };
    },
  ],
  [
    'a missing role',
    ({ Function }) => {
      delete Function.Properties.Role;
    },
  ],
])('is checked by rules that see %s', (_, spoil) => {
  const spoilt = structuredClone(template);
  spoil(spoilt.Resources);
  const path = join(folder, 'spoilt.json');
  writeFileSync(path, JSON.stringify(spoilt));
  expect(complaints(path).length).toBeGreaterThan(0);
});

it('gives the role no more than it needs: one log, and artifacts of one name', () => {
  const { Policies } = template.Resources.Role.Properties as { Policies: any[] };
  const statements = Policies.map((policy) => policy['Fn::If']?.[1] ?? policy).flatMap(
    ({ PolicyDocument }) => PolicyDocument.Statement,
  );
  expect(statements).toEqual([
    {
      Effect: 'Allow',
      Action: ['logs:CreateLogStream', 'logs:PutLogEvents'],
      Resource: { 'Fn::GetAtt': ['LogGroup', 'Arn'] },
    },
    {
      Effect: 'Allow',
      Action: 's3:GetObject',
      Resource: { 'Fn::Sub': 'arn:${AWS::Partition}:s3:::${Bucket}/${Name}/model-*' },
    },
  ]);
  expect(template.Resources.Role.Properties).not.toHaveProperty('ManagedPolicyArns');
});

it('opens a public URL with both permissions, on the alias alone', () => {
  const permissions = Object.values(template.Resources)
    .filter(({ Type }) => Type === 'AWS::Lambda::Permission')
    .map(({ Properties }) => Properties);
  expect(permissions).toEqual([
    { Action: 'lambda:InvokeFunctionUrl', FunctionName: { Ref: 'Alias' }, FunctionUrlAuthType: 'NONE', Principal: '*' },
    { Action: 'lambda:InvokeFunction', FunctionName: { Ref: 'Alias' }, InvokedViaFunctionUrl: true, Principal: '*' },
  ]);
});
