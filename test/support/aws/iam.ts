/** IAM's roles, as far as functions take them on. */
import { randomBytes } from 'node:crypto';
import { ACCOUNT, type Identity, type PolicyDocument } from './identity.ts';
import { AwsError } from './message.ts';

export interface Role {
  readonly name: string;
  readonly arn: string;
  /** Services that may take it on. */
  readonly trusted: readonly string[];
  /** Who takes it on is this. */
  readonly identity: Identity;
}

export type Roles = Map<string, Role>;

export interface RoleProperties {
  readonly AssumeRolePolicyDocument: {
    readonly Statement:
      | { readonly Principal: { readonly Service: string | readonly string[] } }
      | readonly { readonly Principal: { readonly Service: string | readonly string[] } }[];
  };
  readonly Policies?: readonly { readonly PolicyName: string; readonly PolicyDocument: PolicyDocument }[];
  readonly ManagedPolicyArns?: readonly string[];
}

const MANAGED_POLICIES: Readonly<Record<string, PolicyDocument>> = {
  'arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole': {
    Statement: {
      Effect: 'Allow',
      Action: ['logs:CreateLogGroup', 'logs:CreateLogStream', 'logs:PutLogEvents'],
      Resource: '*',
    },
  },
};

/** Makes a role or changes one, whose credentials stay. */
export function putRole(roles: Roles, name: string, properties: RoleProperties): Role {
  const { AssumeRolePolicyDocument, Policies = [], ManagedPolicyArns = [] } = properties;
  const policies = [...ManagedPolicyArns.map(managedPolicy), ...Policies.map(({ PolicyDocument }) => PolicyDocument)];
  const trusted = [AssumeRolePolicyDocument.Statement].flat().flatMap(({ Principal }) => [Principal.Service].flat());
  const identity = { ...(roles.get(name)?.identity ?? newCredentials(name)), policies };
  const role = { name, arn: `arn:aws:iam::${ACCOUNT}:role/${name}`, trusted, identity };
  roles.set(name, role);
  return role;
}

function managedPolicy(arn: string): PolicyDocument {
  const policy = MANAGED_POLICIES[arn];
  if (policy === undefined)
    throw new AwsError(404, 'NoSuchEntity', `Policy ${arn} does not exist or is not attachable.`);
  return policy;
}

function newCredentials(role: string): Omit<Identity, 'policies'> {
  return {
    accessKeyId: `ASIA${randomBytes(8).toString('hex').toUpperCase()}`,
    secretAccessKey: randomBytes(20).toString('hex'),
    sessionToken: randomBytes(40).toString('base64'),
    account: ACCOUNT,
    arn: `arn:aws:sts::${ACCOUNT}:assumed-role/${role}/function`,
  };
}
