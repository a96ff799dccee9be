/** AWS on loopback, as much of it as deploying needs: one endpoint, state that tests can look into, and faults on demand. */
import type { Fault, Faults } from './faults.ts';
import { serveFront } from './front.ts';
import { ACCOUNT, ADMINISTRATOR, type Identity } from './identity.ts';
import { s3Service } from './s3/service.ts';
import type { Buckets } from './s3/state.ts';
import { stsService } from './sts.ts';

export interface Aws {
  /** For AWS_ENDPOINT_URL. */
  readonly endpoint: string;
  /** By access key. Some may be added at any time. */
  readonly identities: Map<string, Identity>;
  readonly buckets: Buckets;
  /** What was asked so far, as in `s3.PutObject`. */
  readonly requests: string[];
  /** None at first; may be changed at any time, and counts from there. */
  set faults(faults: Faults);
  close(): Promise<void>;
}

/** May do everything. */
export const administrator: Identity = {
  accessKeyId: 'AKIASLIMADMINISTRATOR',
  secretAccessKey: 'administrator/secret+key',
  account: ACCOUNT,
  arn: `arn:aws:iam::${ACCOUNT}:user/administrator`,
  policies: [ADMINISTRATOR],
};

export async function startAws(): Promise<Aws> {
  const identities = new Map([[administrator.accessKeyId, administrator]]);
  const buckets: Buckets = new Map();
  const requests: string[] = [];
  let faults: Faults = () => null;
  const counts = new Map<string, number>();

  function onRequest(service: string, operation: string): Fault | null {
    const name = `${service}.${operation}`;
    requests.push(name);
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    return faults({ service, operation, count });
  }

  const { url, close } = await serveFront({
    services: { s3: s3Service(buckets), sts: stsService },
    identityOf: (accessKeyId) => identities.get(accessKeyId),
    onRequest,
  });
  return {
    endpoint: url,
    identities,
    buckets,
    requests,
    set faults(next: Faults) {
      faults = next;
      counts.clear();
    },
    close,
  };
}

/** What the SDK and Slim read from the environment, for somebody. */
export function environmentFor({ endpoint }: Pick<Aws, 'endpoint'>, { accessKeyId, secretAccessKey, sessionToken }: Identity): Record<string, string> {
  return {
    AWS_ENDPOINT_URL: endpoint,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    ...(sessionToken !== undefined && { AWS_SESSION_TOKEN: sessionToken }),
  };
}
