/**
 * Lambda's API (docs.aws.amazon.com/lambda/latest/api): what a client asks and does about functions that CloudFormation
 * made.
 */
import type { Service } from '../front.ts';
import { AwsError, type AwsRequest, type AwsResponse } from '../message.ts';
import type { Environments } from './environments.ts';
import {
  type Functions,
  type FunctionVersion,
  functionArn,
  functionNamed,
  LATEST,
  type LambdaFunction,
  parseFunctionArn,
  publishVersion,
  versionOf,
} from './functions.ts';
import { MAX_REQUEST_BYTES } from './outcome.ts';

export interface LambdaServiceOptions {
  readonly functions: Functions;
  readonly environments: Environments;
  /** How long a new version takes to become Active. */
  readonly pendingMs: number;
}

interface LambdaCall {
  readonly request: AwsRequest;
  readonly target: LambdaFunction;
  /** A version, an alias or `$LATEST`. */
  readonly qualifier: string;
  /** What the path says after the operation: an alias. */
  readonly name: string;
  readonly options: LambdaServiceOptions;
}

interface LambdaOperation {
  readonly name: string;
  /** What IAM calls it. */
  readonly action: string;
  readonly method: string;
  /** After `/2015-03-31/functions/NAME/`. */
  readonly path: RegExp;
  run(call: LambdaCall): AwsResponse | Promise<AwsResponse>;
}

const OPERATIONS: readonly LambdaOperation[] = [
  { name: 'GetFunction', action: 'lambda:GetFunction', method: 'GET', path: /^$/, run: getFunction },
  {
    name: 'GetFunctionConfiguration',
    action: 'lambda:GetFunctionConfiguration',
    method: 'GET',
    path: /^configuration$/,
    run: getConfiguration,
  },
  { name: 'PublishVersion', action: 'lambda:PublishVersion', method: 'POST', path: /^versions$/, run: publish },
  {
    name: 'ListVersionsByFunction',
    action: 'lambda:ListVersionsByFunction',
    method: 'GET',
    path: /^versions$/,
    run: listVersions,
  },
  { name: 'GetAlias', action: 'lambda:GetAlias', method: 'GET', path: /^aliases\/(.+)$/, run: getAlias },
  { name: 'Invoke', action: 'lambda:InvokeFunction', method: 'POST', path: /^invocations$/, run: invoke },
];

/** Few, so that clients have to ask for more. */
const PAGE = 3;
const LOG_TAIL_BYTES = 4096;

export function lambdaService(options: LambdaServiceOptions): Service {
  return {
    errorCodes: { unknownKey: 'UnrecognizedClientException', accessDenied: 'AccessDeniedException' },
    callOf(request) {
      const [, , , name = '', ...rest] = request.path.split('/').map(decodeURIComponent);
      const operation = OPERATIONS.find(({ method, path }) => method === request.method && path.test(rest.join('/')));
      if (operation === undefined)
        throw new AwsError(404, 'UnknownOperationException', `There is no ${request.method} ${request.path}`);
      const parsed = parseFunctionArn(name);
      const qualifier = request.query.get('Qualifier') ?? parsed.qualifier;
      return {
        operation: operation.name,
        permission: { action: operation.action, resource: qualifiedArn(parsed.name, qualifier) },
        run: () =>
          operation.run({
            request,
            target: functionNamed(options.functions, parsed.name),
            qualifier,
            name: operation.path.exec(rest.join('/'))![1],
            options,
          }),
      };
    },
    errorResponse: ({ status, code, message }) =>
      json({ Type: status < 500 ? 'User' : 'Service', Message: message }, status, { 'x-amzn-errortype': code }),
  };
}

function json(content: object, status = 200, headers: AwsResponse['headers'] = {}): AwsResponse {
  return { status, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(content) };
}

function getFunction({ target, qualifier }: LambdaCall): AwsResponse {
  return json({
    Configuration: described(target, versionOf(target, qualifier), qualifier),
    Code: { RepositoryType: 'S3' },
  });
}

function getConfiguration({ target, qualifier }: LambdaCall): AwsResponse {
  return json(described(target, versionOf(target, qualifier), qualifier));
}

function publish({ target, request, options }: LambdaCall): AwsResponse {
  const { CodeSha256 } = JSON.parse(request.body.toString() || '{}') as { CodeSha256?: string };
  const published = publishVersion(target, CodeSha256);
  const response = json(described(target, published, published.version), 201);
  setTimeout(() => {
    published.state = 'Active';
  }, options.pendingMs);
  return response;
}

function listVersions({ target, request: { query } }: LambdaCall): AwsResponse {
  const all = [target.latest, ...target.versions.values()];
  const start = Number(query.get('Marker') ?? 0);
  const end = start + Math.min(PAGE, Number(query.get('MaxItems') ?? PAGE));
  return json({
    Versions: all.slice(start, end).map((version) => described(target, version, version.version)),
    NextMarker: end < all.length ? String(end) : undefined,
  });
}

function getAlias({ target, name }: LambdaCall): AwsResponse {
  const version = target.aliases.get(name);
  if (version === undefined)
    throw new AwsError(404, 'ResourceNotFoundException', `Cannot find alias arn: ${target.arn}:${name}`);
  return json({ AliasArn: `${target.arn}:${name}`, Name: name, FunctionVersion: version, Description: '' });
}

async function invoke({ target, qualifier, request, options }: LambdaCall): Promise<AwsResponse> {
  const { body, headers } = request;
  if ((headers['x-amz-invocation-type'] ?? 'RequestResponse') !== 'RequestResponse')
    throw new AwsError(400, 'InvalidParameterValueException', 'This stand-in for Lambda answers RequestResponse only');
  if (body.length > MAX_REQUEST_BYTES)
    throw new AwsError(
      413,
      'RequestTooLargeException',
      `Request must be smaller than ${MAX_REQUEST_BYTES} bytes for the InvokeFunction operation`,
    );
  const version = versionOf(target, qualifier);
  const { payload, error, log } = await options.environments.invoke(target, version, eventOf(body));
  return {
    status: 200,
    headers: {
      'content-type': 'application/json',
      'x-amz-executed-version': version.version,
      'x-amz-function-error': error,
      'x-amz-log-result':
        headers['x-amz-log-type'] === 'Tail'
          ? Buffer.from(log).subarray(-LOG_TAIL_BYTES).toString('base64')
          : undefined,
    },
    body: payload,
  };
}

function eventOf(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString() || '{}');
  } catch (error) {
    throw new AwsError(
      400,
      'InvalidRequestContentException',
      `Could not parse request body into json: ${(error as Error).message}`,
    );
  }
}

/** `FunctionArn` has the qualifier that was asked for. */
function described(
  { name }: LambdaFunction,
  { version, code, configuration, lastModified, revisionId, state, lastUpdateStatus }: FunctionVersion,
  qualifier: string,
): object {
  return {
    FunctionName: name,
    FunctionArn: qualifiedArn(name, qualifier),
    ...configuration,
    CodeSize: code.zip.length,
    CodeSha256: code.sha256,
    LastModified: lastModified.toISOString().replace('Z', '+0000'),
    RevisionId: revisionId,
    PackageType: 'Zip',
    State: state,
    ...(state === 'Pending' && { StateReason: 'The function is being created.', StateReasonCode: 'Creating' }),
    ...(state === 'Active' && { LastUpdateStatus: lastUpdateStatus }),
    Version: version,
  };
}

function qualifiedArn(name: string, qualifier: string): string {
  return qualifier === LATEST ? functionArn(name) : `${functionArn(name)}:${qualifier}`;
}
