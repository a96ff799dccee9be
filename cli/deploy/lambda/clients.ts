/**
 * AWS's clients. Credentials, profiles and endpoints come from the SDK's own chains: AWS_PROFILE, AWS_ENDPOINT_URL and
 * all others mean what they mean there.
 */
import type { CloudFormationClient } from '@aws-sdk/client-cloudformation';
import type { LambdaClient } from '@aws-sdk/client-lambda';
import type { S3Client } from '@aws-sdk/client-s3';
import { UserError } from '../../io/errors.ts';
import { atAws } from './errors.ts';

/** Clients of one region, and whose account it is: 12 digits. */
export interface AwsClients {
  readonly s3: S3Client;
  readonly cloudFormation: CloudFormationClient;
  readonly lambda: LambdaClient;
  readonly region: string;
  readonly account: string;
}

/** A request that is not answered by then is sent again. A part of 8 MB takes that long at half a megabit a second. */
const REQUEST_MS = 120_000;

/** Finds out who is asking, and makes the clients. @throws UserError */
export async function createClients(region: string | undefined, requestMs = REQUEST_MS): Promise<AwsClients> {
  // The version of the SDK is pinned, and runs on Node 20.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
  const [{ S3Client }, { CloudFormationClient }, { LambdaClient }, { GetCallerIdentityCommand, STSClient }] =
    await Promise.all([
      import('@aws-sdk/client-s3'),
      import('@aws-sdk/client-cloudformation'),
      import('@aws-sdk/client-lambda'),
      import('@aws-sdk/client-sts'),
    ]);
  const { AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_S3 } = process.env;
  const settings = {
    region,
    maxAttempts: 5,
    // A connection that has died would be waited for, for ever.
    requestHandler: {
      connectionTimeout: Math.min(10_000, requestMs),
      requestTimeout: requestMs,
      throwOnRequestTimeout: true,
    },
  };
  const sts = new STSClient(settings);
  const resolved = await sts.config.region().catch(() => {
    throw new UserError('no AWS region is given', 'Use --region, AWS_REGION, or a region in the profile.');
  });
  const { Account } = await atAws('find out whose credentials these are', () =>
    sts.send(new GetCallerIdentityCommand({})),
  );
  return {
    // What stands in for S3 is seldom found by a bucket's own host name.
    s3: new S3Client({ ...settings, forcePathStyle: (AWS_ENDPOINT_URL_S3 ?? AWS_ENDPOINT_URL) !== undefined }),
    cloudFormation: new CloudFormationClient(settings),
    lambda: new LambdaClient(settings),
    region: resolved,
    account: Account!,
  };
}
