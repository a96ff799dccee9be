/** The execution environments of versions: one each, made when it is first needed. */
import { rmSync } from 'node:fs';
import type { Roles } from '../iam.ts';
import { REGION } from '../identity.ts';
import { type InvokeResult, type LambdaRuntime, startLambda } from '../lambda-runtime.ts';
import { unpack } from './code.ts';
import { conflict, type FunctionVersion, type LambdaFunction } from './functions.ts';

export interface Environments {
  /** Throws an AwsError while the version is not ready. */
  invoke(target: LambdaFunction, version: FunctionVersion, event: unknown): Promise<InvokeResult>;
  close(): Promise<void>;
}

/** Functions reach AWS at the endpoint, with the credentials of their roles. */
export function createEnvironments(roles: Roles, endpoint: () => string): Environments {
  const started = new Map<FunctionVersion, Promise<LambdaRuntime & { readonly folder: string }>>();

  async function start(
    { name, arn }: LambdaFunction,
    { version, code, configuration }: FunctionVersion,
  ): Promise<LambdaRuntime & { readonly folder: string }> {
    const folder = unpack(code);
    const runtime = await startLambda({
      folder,
      handler: configuration.Handler,
      memory: configuration.MemorySize,
      timeoutMs: configuration.Timeout * 1000,
      functionName: name,
      functionArn: `${arn}:${version}`,
      version,
      environment: {
        ...configuration.Environment.Variables,
        AWS_ENDPOINT_URL: endpoint(),
        AWS_REGION: REGION,
        ...credentials(configuration.Role),
      },
    });
    return { ...runtime, folder };
  }

  function credentials(roleArn: string): Record<string, string> {
    const { accessKeyId, secretAccessKey, sessionToken } = [...roles.values()].find(
      ({ arn }) => arn === roleArn,
    )!.identity;
    return { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN: sessionToken! };
  }

  return {
    async invoke(target, version, event) {
      if (version.state === 'Pending') throw conflict('The function is currently in the following state: Pending');
      const environment = started.get(version) ?? start(target, version);
      started.set(version, environment);
      return (await environment).invoke(event);
    },
    async close() {
      for (const environment of started.values()) {
        const { close, folder } = await environment;
        await close();
        rmSync(folder, { recursive: true });
      }
    },
  };
}
