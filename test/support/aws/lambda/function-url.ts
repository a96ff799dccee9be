/** Function URLs: HTTP servers that let in whom the function's policy allows. */
import { ACCOUNT, allows, type Identity } from '../identity.ts';
import { answerUrl, refuse } from '../lambda-front-end.ts';
import { serveLoopback } from '../loopback.ts';
import { AwsError, type AwsRequest, readRequest } from '../message.ts';
import { signatureOf, verifySignature } from '../sigv4.ts';
import type { Environments } from './environments.ts';
import { type FunctionUrl, type LambdaFunction, versionOf } from './functions.ts';
import type { IamCaller } from './url-event.ts';

export interface UrlOptions {
  readonly target: LambdaFunction;
  /** An alias, or `$LATEST`. */
  readonly qualifier: string;
  readonly authType: FunctionUrl['authType'];
  readonly environments: Environments;
  readonly identityOf: (accessKeyId: string) => Identity | undefined;
}

export async function serveFunctionUrl({
  target,
  qualifier,
  authType,
  environments,
  identityOf,
}: UrlOptions): Promise<FunctionUrl> {
  const { url, close } = await serveLoopback(async (incoming, outgoing) => {
    const request = await readRequest(incoming);
    const identity = functionUrl.authType === 'AWS_IAM' ? signerOf(request, identityOf) : null;
    const permitted = ['lambda:InvokeFunctionUrl', 'lambda:InvokeFunction'].every((action) =>
      isPermitted(target, qualifier, functionUrl.authType, action, identity),
    );
    if (!permitted) return refuse(outgoing, 403, 'Forbidden');
    const runtime = { invoke: (event: unknown) => environments.invoke(target, versionOf(target, qualifier), event) };
    await answerUrl(runtime, incoming, request.body, outgoing, identity && callerOf(identity));
  });
  const functionUrl: FunctionUrl = { url: `${url}/`, authType, close };
  return functionUrl;
}

/** Null where the signature is missing or bad. */
function signerOf(request: AwsRequest, identityOf: UrlOptions['identityOf']): Identity | null {
  const signature = signatureOf(request);
  const identity = signature?.service === 'lambda' ? identityOf(signature.accessKeyId) : undefined;
  if (identity === undefined) return null;
  try {
    verifySignature(request, signature!, identity);
  } catch (error) {
    if (error instanceof AwsError) return null;
    throw error;
  }
  return identity;
}

/** Since October 2025 a function URL asks for both actions: by the function's policy, or the caller's own. */
function isPermitted(
  { arn, permissions }: LambdaFunction,
  qualifier: string,
  authType: FunctionUrl['authType'],
  action: string,
  identity: Identity | null,
): boolean {
  if (authType === 'AWS_IAM' && identity === null) return false;
  const principals = ['*', identity?.account, identity?.arn];
  const byFunction = [...permissions.values()].some(
    (permission) =>
      permission.qualifier === qualifier &&
      permission.action === action &&
      principals.includes(permission.principal) &&
      (permission.functionUrlAuthType ?? authType) === authType,
  );
  return byFunction || (identity !== null && allows(identity, action, `${arn}:${qualifier}`));
}

function callerOf({ accessKeyId, arn }: Identity): IamCaller {
  return { accessKey: accessKeyId, accountId: ACCOUNT, callerId: accessKeyId, userArn: arn, userId: accessKeyId };
}
