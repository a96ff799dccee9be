/**
 * Payloads of function URLs, version 2.0 (docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html): HTTP requests as
 * events, results as HTTP responses.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';

/** Whom AWS took a signed request to be from. */
export interface IamCaller {
  readonly accessKey: string;
  readonly accountId: string;
  readonly callerId: string;
  readonly userArn: string;
  readonly userId: string;
}

/** An event of a function URL. */
export type UrlEvent = Readonly<Record<string, unknown>>;

/** Other bodies reach the function in base64. */
const TEXT = /^(text\/|application\/(json|javascript|xml)\b|application\/[^;]+\+(json|xml)\b)/;

export function urlEvent(request: IncomingMessage, body: Buffer, caller: IamCaller | null): UrlEvent {
  const { pathname, search, searchParams } = new URL(request.url!, 'http://localhost');
  const { cookie, host = '', ...headers } = request.headers;
  const isText = TEXT.test(headers['content-type'] ?? '');
  const sourceIp = request.socket.remoteAddress!;
  const now = new Date();
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath: pathname,
    rawQueryString: search.slice(1),
    ...(cookie !== undefined && { cookies: cookie.split('; ') }),
    headers: {
      ...joined(Object.entries(headers)),
      host,
      'x-forwarded-for': sourceIp,
      'x-forwarded-port': '443',
      'x-forwarded-proto': 'https',
    },
    ...(search !== '' && { queryStringParameters: joined([...searchParams]) }),
    requestContext: {
      accountId: caller?.accountId ?? 'anonymous',
      apiId: 'slimtest',
      ...(caller !== null && { authorizer: { iam: caller } }),
      domainName: host,
      domainPrefix: 'slimtest',
      http: {
        method: request.method,
        path: pathname,
        protocol: 'HTTP/1.1',
        sourceIp,
        userAgent: headers['user-agent'],
      },
      requestId: randomUUID(),
      routeKey: '$default',
      stage: '$default',
      time: now.toUTCString(),
      timeEpoch: now.getTime(),
    },
    ...(body.length > 0 && { body: body.toString(isText ? 'utf8' : 'base64') }),
    isBase64Encoded: body.length > 0 && !isText,
  };
}

/** Values of the same name are joined by commas. */
function joined(
  entries: readonly (readonly [name: string, value: string | string[] | undefined])[],
): Record<string, string> {
  const result: Record<string, string> = {};
  for (const [name, value] of entries)
    result[name] = [...(name in result ? [result[name]] : []), value].flat().join(',');
  return result;
}

interface UrlResponse {
  readonly statusCode: number;
  readonly headers?: Readonly<Record<string, string | number | boolean>>;
  readonly cookies?: readonly string[];
  readonly body?: string;
  readonly isBase64Encoded?: boolean;
}

/** Answers with what a function returned; where that names no status, it is the body, as JSON. */
export function sendResult(response: ServerResponse, payload: string): void {
  const result = JSON.parse(payload) as UrlResponse | null;
  const {
    statusCode,
    headers = {},
    cookies = [],
    body = '',
    isBase64Encoded = false,
  } = result?.statusCode === undefined ? { statusCode: 200, body: payload } : result;
  const bytes = Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8');
  response
    .writeHead(statusCode, {
      'content-type': 'application/json',
      ...Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value)])),
      ...(cookies.length > 0 && { 'set-cookie': [...cookies] }),
      'content-length': bytes.length,
    })
    .end(bytes);
}
