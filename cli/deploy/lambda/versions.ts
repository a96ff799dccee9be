/** Published versions of the function: immutable, so that an alias moves between things that don't change. */
import type { LambdaClient } from '@aws-sdk/client-lambda';
import { UserError } from '../../io/errors.ts';
import { checkSmoke, type SmokeTest } from '../smoke.ts';
import { atAws } from './errors.ts';

/** Longest that a version takes to become active; a minute or less as a rule. */
const ACTIVE_WITHIN_S = 300;

/**
 * Publishes the function's code and configuration as they are, and waits until that version can be called. Published
 * already, it is that version.
 */
export async function publishVersion(
  client: LambdaClient,
  name: string,
  description: string,
  signal: AbortSignal,
): Promise<string> {
  const {
    PublishVersionCommand,
    waitUntilFunctionActiveV2,
    waitUntilFunctionUpdatedV2,
    waitUntilPublishedVersionActive,
  } = await import('@aws-sdk/client-lambda');
  const waiting = { client, maxWaitTime: ACTIVE_WITHIN_S, minDelay: 1, maxDelay: 5, abortSignal: signal };
  return atAws(`publish a version of ${name}`, async () => {
    await waitUntilFunctionActiveV2(waiting, { FunctionName: name });
    await waitUntilFunctionUpdatedV2(waiting, { FunctionName: name });
    const { Version } = await client.send(new PublishVersionCommand({ FunctionName: name, Description: description }));
    await waitUntilPublishedVersionActive(waiting, { FunctionName: name, Qualifier: Version });
    return Version!;
  });
}

/**
 * Calls a version as a function URL would, before anybody else does: is it ready, and does it answer as this machine?
 * @throws UserError telling what it did instead
 */
export async function smokeVersion(
  client: LambdaClient,
  name: string,
  version: string,
  smoke: SmokeTest | null,
  token: string | undefined,
): Promise<void> {
  const ready = await invoke(client, name, version, eventOf('GET', '/readyz'));
  if (ready.status !== 200) throw new UserError(`it answered ${ready.status}: ${ready.body.slice(0, 300)}`);
  if (smoke === null) return;
  const headers = {
    'content-type': smoke.contentType,
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
  };
  const { status, body } = await invoke(client, name, version, eventOf('POST', '/v1/predict', headers, smoke.body));
  checkSmoke(smoke, status, body);
}

async function invoke(
  client: LambdaClient,
  FunctionName: string,
  Qualifier: string,
  event: object,
): Promise<{ readonly status: number; readonly body: string }> {
  const { InvokeCommand } = await import('@aws-sdk/client-lambda');
  const {
    Payload,
    FunctionError,
    LogResult = '',
  } = await atAws(`call version ${Qualifier} of ${FunctionName}`, () =>
    client.send(new InvokeCommand({ FunctionName, Qualifier, LogType: 'Tail', Payload: JSON.stringify(event) })),
  );
  const text = new TextDecoder().decode(Payload);
  if (FunctionError)
    throw new UserError(
      `it failed: ${text.slice(0, 500)}`,
      `Its log ends with: ${Buffer.from(LogResult, 'base64').toString().trim().split('\n').slice(-5).join(' | ')}`,
    );
  const { statusCode, body, isBase64Encoded } = JSON.parse(text) as {
    statusCode: number;
    body: string;
    isBase64Encoded?: boolean;
  };
  return { status: statusCode, body: isBase64Encoded ? Buffer.from(body, 'base64').toString() : body };
}

/** What Lambda hands a function for an HTTP request (payload format 2.0). */
function eventOf(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  body?: Uint8Array,
): object {
  const domainName = 'smoke.lambda-url.invalid';
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath: path,
    rawQueryString: '',
    headers: { host: domainName, ...headers },
    requestContext: {
      accountId: 'anonymous',
      apiId: 'smoke',
      domainName,
      domainPrefix: 'smoke',
      requestId: 'smoke',
      routeKey: '$default',
      stage: '$default',
      time: new Date().toUTCString(),
      timeEpoch: Date.now(),
      http: { method, path, protocol: 'HTTP/1.1', sourceIp: '127.0.0.1', userAgent: 'slim deploy' },
    },
    ...(body && { body: Buffer.from(body).toString('base64') }),
    isBase64Encoded: body !== undefined,
  };
}
