/** The stand-in for Lambda's execution environments runs AWS's runtime client, and fails as Lambda does. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lambdaFrontEnd } from '../../support/aws/lambda-front-end.ts';
import { type LambdaOptions, type LambdaRuntime, lambdaAbsent, startLambda } from '../../support/aws/lambda-runtime.ts';
import type { LoopbackServer } from '../../support/aws/loopback.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const reason = lambdaAbsent === null ? '' : ` (skipped: ${lambdaAbsent})`;
const folder = temporaryFolder();
const open: { close(): Promise<void> }[] = [];
afterAll(() => Promise.all(open.map(({ close }) => close())));

let files = 0;
async function lambda(code: string, options: Partial<LambdaOptions> = {}): Promise<LambdaRuntime> {
  const name = `handler${files++}`;
  writeFileSync(join(folder, `${name}.mjs`), code);
  const runtime = await startLambda({ folder, handler: `${name}.handler`, ...options });
  open.push(runtime);
  return runtime;
}

describe.skipIf(lambdaAbsent !== null)(`an execution environment${reason}`, () => {
  it('gives a handler its event, its context and its environment', async () => {
    const runtime = await lambda(
      `export const handler = async (event, context) => {
        console.log('asked for', event.name);
        return {
          event,
          request: context.awsRequestId.length,
          left: context.getRemainingTimeInMillis() > 0,
          arn: context.invokedFunctionArn,
          env: process.env,
          node: process.versions.node,
        };
      };`,
      { memory: 256, environment: { SLIM_MODEL: 'a.slim' }, functionName: 'slim-cats', version: '3' },
    );
    expect(runtime.initMs).toBeGreaterThan(0);
    const { payload, error, log } = await runtime.invoke({ name: 'ä' });
    expect(error).toBeUndefined();
    expect(JSON.parse(payload)).toMatchObject({
      event: { name: 'ä' },
      request: 36,
      left: true,
      arn: 'arn:aws:lambda:us-east-1:123456789012:function:slim-cats',
      node: expect.stringMatching(/^24\./),
      env: {
        SLIM_MODEL: 'a.slim',
        AWS_LAMBDA_FUNCTION_NAME: 'slim-cats',
        AWS_LAMBDA_FUNCTION_VERSION: '3',
        AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '256',
        LAMBDA_TASK_ROOT: folder,
      },
    });
    expect(JSON.parse(payload).env.HOME).toBeUndefined();
    const [start, asked, end, report] = log.split('\n');
    const [, requestId] = /^START RequestId: (\S+) Version: 3$/.exec(start)!;
    expect(asked).toMatch(/\tINFO\tasked for ä$/);
    expect(end).toBe(`END RequestId: ${requestId}`);
    expect(report.startsWith(`REPORT RequestId: ${requestId}\t`)).toBe(true);
    expect(report).toMatch(/Memory Size: 256 MB\tMax Memory Used: [1-9]\d* MB/);
  });

  it('answers one invocation after the other, in one process', async () => {
    const runtime = await lambda(
      `let running = 0, count = 0;
      export const handler = async () => {
        running++;
        await new Promise((r) => setTimeout(r, 5));
        return [running--, ++count];
      };`,
    );
    const answers = await Promise.all([1, 2, 3].map(() => runtime.invoke({})));
    expect(answers.map(({ payload }) => payload)).toEqual(['[1,1]', '[1,2]', '[1,3]']);
  });

  it('tells what a handler throws, and goes on', async () => {
    const runtime = await lambda(
      `let count = 0;
      export const handler = async () => {
        if (count++ === 0) throw new TypeError('no model');
        return count;
      };`,
    );
    const { payload, error } = await runtime.invoke({});
    expect(error).toBe('Unhandled');
    expect(JSON.parse(payload)).toMatchObject({ errorType: 'TypeError', errorMessage: 'no model' });
    expect((await runtime.invoke({})).payload).toBe('2');
  });

  it.for([
    [
      'a module that throws',
      `throw new Error('broken'); export const handler = 0;`,
      { errorType: 'Error', errorMessage: 'broken' },
    ],
    [
      'a missing package',
      `import 'nowhere'; export const handler = 0;`,
      { errorType: 'Error', errorMessage: expect.stringContaining(`Cannot find package 'nowhere'`) },
    ],
    [
      'a missing handler',
      `export const other = 0;`,
      {
        errorType: 'Runtime.HandlerNotFound',
        errorMessage: expect.stringMatching(/^handler\d+\.handler is undefined or not exported$/),
      },
    ],
    [
      'a module that exits',
      `process.exit(3); export const handler = 0;`,
      {
        errorType: 'Runtime.ExitError',
        errorMessage: expect.stringMatching(/^RequestId: \S{36} Error: Runtime exited with error: exit status 3$/),
      },
    ],
  ] as const)('tells of %s at the first invocation', async ([, code, expected]) => {
    const runtime = await lambda(code);
    expect(runtime.initMs).toBeNull();
    for (const _ of [1, 2]) {
      const { payload, error } = await runtime.invoke({});
      expect(error).toBe('Unhandled');
      expect(JSON.parse(payload)).toMatchObject(expected);
    }
  });

  it.for([
    [
      'ends what takes too long',
      `await new Promise(() => setInterval(() => {}, 1e6));`,
      'Sandbox.Timedout',
      'Task timed out after 2.00 seconds',
    ],
    ['tells of an exit', `process.exit(1);`, 'Runtime.ExitError', 'Runtime exited with error: exit status 1'],
    [
      'tells of an exit without an error',
      `process.exit(0);`,
      'Runtime.ExitError',
      'Runtime exited without providing a reason',
    ],
    [
      'tells of a signal',
      `process.kill(process.pid, 'SIGKILL'); await new Promise(() => {});`,
      'Runtime.ExitError',
      'Runtime exited with error: signal: killed',
    ],
  ] as const)('%s, and starts anew', async ([, statement, errorType, reason]) => {
    const runtime = await lambda(
      `let count = 0;
      export const handler = async (event) => {
        count++;
        if (event.fail) { ${statement} }
        return count;
      };`,
      { timeoutMs: 2_000 },
    );
    expect((await runtime.invoke({})).payload).toBe('1');
    const { payload, error, log } = await runtime.invoke({ fail: true });
    const requestId = /START RequestId: (\S+)/.exec(log)![1];
    expect([error, JSON.parse(payload)]).toEqual([
      'Unhandled',
      { errorType, errorMessage: `RequestId: ${requestId} Error: ${reason}` },
    ]);
    expect((await runtime.invoke({})).payload).toBe('1');
  });

  it('refuses answers beyond 6 MB', async () => {
    const runtime = await lambda(`export const handler = async (bytes) => 'x'.repeat(bytes - 2);`);
    expect((await runtime.invoke(6_291_556)).payload.length).toBe(6_291_556);
    const { payload, error } = await runtime.invoke(6_291_557);
    expect(error).toBe('Unhandled');
    expect(JSON.parse(payload)).toEqual({
      errorType: 'Function.ResponseSizeTooLarge',
      errorMessage: 'Response payload size exceeded maximum allowed payload size (6291556 bytes).',
    });
  });
});

describe.skipIf(lambdaAbsent !== null)(`its function URL${reason}`, () => {
  let server: LoopbackServer;
  beforeAll(async () => {
    const runtime = await lambda(
      `export const handler = async (event) => {
        if (event.rawPath === '/throw') throw new Error('no');
        const body = Buffer.from([0, 255, 137]).toString('base64');
        if (event.rawPath === '/bytes')
          return { statusCode: 200, headers: { 'Content-Type': 'image/png' }, body, isBase64Encoded: true };
        if (event.rawPath === '/cookies')
          return { statusCode: 201, headers: { 'x-count': 2 }, cookies: ['a=1; Secure', 'b=2'], body: 'ok' };
        return event;
      };`,
    );
    server = await lambdaFrontEnd(runtime);
    open.push(server);
  });

  it('makes events of requests', async () => {
    const response = await fetch(`${server.url}/v1/a%20b?x=1&y=%C3%A4&x=2`, {
      headers: { cookie: 'a=1; b=2', 'x-two': 'b', 'user-agent': 'test' },
    });
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(await response.json()).toMatchObject({
      version: '2.0',
      rawPath: '/v1/a%20b',
      rawQueryString: 'x=1&y=%C3%A4&x=2',
      queryStringParameters: { x: '1,2', y: 'ä' },
      cookies: ['a=1', 'b=2'],
      headers: { 'x-two': 'b', host: new URL(server.url).host, 'x-forwarded-proto': 'https' },
      requestContext: {
        accountId: 'anonymous',
        http: { method: 'GET', path: '/v1/a%20b', userAgent: 'test', sourceIp: '127.0.0.1' },
      },
      isBase64Encoded: false,
    });
  });

  it.for([
    ['text/plain; charset=utf-8', 'grün', 'grün', false],
    ['application/json', '{"a":1}', '{"a":1}', false],
    ['application/octet-stream', 'abc', 'YWJj', true],
    ['image/jpeg', 'abc', 'YWJj', true],
    ['multipart/form-data; boundary=x', 'abc', 'YWJj', true],
  ] as const)('gives a body of type %s', async ([type, body, given, isBase64Encoded]) => {
    const event = await (await fetch(server.url, { method: 'POST', headers: { 'content-type': type }, body })).json();
    expect(event).toMatchObject({ body: given, isBase64Encoded });
  });

  it('makes responses of results', async () => {
    const bytes = await fetch(`${server.url}/bytes`);
    expect([bytes.status, bytes.headers.get('content-type'), new Uint8Array(await bytes.arrayBuffer())]).toEqual([
      200,
      'image/png',
      new Uint8Array([0, 255, 137]),
    ]);
    const cookies = await fetch(`${server.url}/cookies`);
    expect([
      cookies.status,
      cookies.headers.get('x-count'),
      cookies.headers.getSetCookie(),
      await cookies.text(),
    ]).toEqual([201, '2', ['a=1; Secure', 'b=2'], 'ok']);
  });

  it('answers 502 for an error and 413 for what is too large', async () => {
    const failed = await fetch(`${server.url}/throw`);
    expect([failed.status, await failed.text()]).toEqual([502, 'Internal Server Error']);
    // 4/3 of it are more than 6 MB.
    const large = await fetch(server.url, {
      method: 'POST',
      headers: { 'content-type': 'image/png' },
      body: new Uint8Array(4_800_000),
    });
    expect([large.status, await large.json()]).toEqual([
      413,
      { Message: 'Request must be smaller than 6291456 bytes for the InvokeFunction operation' },
    ]);
  });
});
