/**
 * AWS on loopback, as much of it as deploying needs: one endpoint, state that tests can look into, and faults on
 * demand.
 */
import { aliasType } from './cloudformation/resources/alias.ts';
import { functionType } from './cloudformation/resources/function.ts';
import { type LogGroup, logGroupType } from './cloudformation/resources/log-group.ts';
import { permissionType } from './cloudformation/resources/permission.ts';
import { roleType } from './cloudformation/resources/role.ts';
import { urlType } from './cloudformation/resources/url.ts';
import { cloudFormationService } from './cloudformation/service.ts';
import type { Stack } from './cloudformation/stacks.ts';
import type { Fault, Faults } from './faults.ts';
import { serveFront } from './front.ts';
import type { Roles } from './iam.ts';
import { ACCOUNT, ADMINISTRATOR, type Identity, REGION } from './identity.ts';
import { createEnvironments } from './lambda/environments.ts';
import type { Functions } from './lambda/functions.ts';
import { lambdaService } from './lambda/service.ts';
import { s3Service } from './s3/service.ts';
import type { Buckets } from './s3/state.ts';
import { stsService } from './sts.ts';

export interface Aws extends AwsState {
  /** For AWS_ENDPOINT_URL. */
  readonly endpoint: string;
  /** What was asked so far, as in `s3.PutObject`. */
  readonly requests: string[];
  /** From now on, and until the next time: what is to go wrong. */
  inject(faults: Faults): void;
  /** Waits for what CloudFormation is about. */
  close(): Promise<void>;
}

export interface AwsState {
  /** By access key. Some may be added at any time. */
  readonly identities: Map<string, Identity>;
  readonly buckets: Buckets;
  /** Deleted ones too. */
  readonly stacks: Stack[];
  readonly functions: Functions;
  readonly roles: Roles;
  readonly logGroups: Map<string, LogGroup>;
}

/** How long AWS takes, in milliseconds. */
export interface Delays {
  /** Each resource of a stack. */
  readonly resourceMs?: number;
  readonly changeSetMs?: number;
  /** Until a function or a version is ready. */
  readonly pendingMs?: number;
}

/** May do everything. */
export const administrator: Identity = {
  accessKeyId: 'AKIASLIMADMINISTRATOR',
  secretAccessKey: 'administrator/secret+key',
  account: ACCOUNT,
  arn: `arn:aws:iam::${ACCOUNT}:user/administrator`,
  policies: [ADMINISTRATOR],
};

export async function startAws({ resourceMs = 2, changeSetMs = 2, pendingMs = 2 }: Delays = {}): Promise<Aws> {
  const state: AwsState = {
    identities: new Map([[administrator.accessKeyId, administrator]]),
    buckets: new Map(),
    stacks: [],
    functions: new Map(),
    roles: new Map(),
    logGroups: new Map(),
  };
  const { identities, buckets, stacks, functions, roles, logGroups } = state;
  const identityOf = (accessKeyId: string): Identity | undefined =>
    identities.get(accessKeyId) ??
    [...roles.values()].map(({ identity }) => identity).find((identity) => identity.accessKeyId === accessKeyId);
  const environments = createEnvironments(roles, () => front.url);
  const types = {
    'AWS::IAM::Role': roleType(roles),
    'AWS::Lambda::Alias': aliasType(functions),
    'AWS::Lambda::Function': functionType({ functions, buckets, roles, pendingMs }),
    'AWS::Lambda::Permission': permissionType(functions),
    'AWS::Lambda::Url': urlType({ functions, environments, identityOf }),
    'AWS::Logs::LogGroup': logGroupType(logGroups),
  };
  const faults = faultSource();
  const front = await serveFront({
    services: {
      cloudformation: cloudFormationService(stacks, { types, resourceMs, changeSetMs }),
      lambda: lambdaService({ functions, environments, pendingMs }),
      s3: s3Service(buckets),
      sts: stsService,
    },
    identityOf,
    onRequest: faults.next,
  });
  return {
    ...state,
    endpoint: front.url,
    requests: faults.requests,
    inject: faults.inject,
    async close() {
      await Promise.all(stacks.map(({ work }) => work));
      await Promise.all([...functions.values()].flatMap(({ urls }) => [...urls.values()].map(({ close }) => close())));
      await environments.close();
      await front.close();
    },
  };
}

/** Counts requests, and asks the chosen faults at each. */
function faultSource(): {
  readonly requests: string[];
  inject(faults: Faults): void;
  next(service: string, operation: string): Fault | null;
} {
  const requests: string[] = [];
  let faults: Faults = () => null;
  let counts = new Map<string, number>();
  return {
    requests,
    inject(chosen) {
      faults = chosen;
      counts = new Map();
    },
    next(service, operation) {
      const name = `${service}.${operation}`;
      requests.push(name);
      const count = (counts.get(name) ?? 0) + 1;
      counts.set(name, count);
      return faults({ service, operation, count });
    },
  };
}

/** What the SDK and Slim read from the environment, for somebody. */
export function environmentFor(
  { endpoint }: Pick<Aws, 'endpoint'>,
  { accessKeyId, secretAccessKey, sessionToken }: Identity,
): Record<string, string> {
  return {
    AWS_ENDPOINT_URL: endpoint,
    AWS_REGION: REGION,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    ...(sessionToken !== undefined && { AWS_SESSION_TOKEN: sessionToken }),
  };
}
