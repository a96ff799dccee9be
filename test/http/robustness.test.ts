/** Clients that do harm, against the server as it is started: the others go on being answered. */

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeTextArtifact } from '../deploy/artifacts.ts';
import { type Running, start } from '../support/process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();
const sockets: Socket[] = [];
let server: Running;
let url: URL;

beforeAll(async () => {
  server = start([
    'serve',
    await writeTextArtifact(folder),
    '--port',
    '0',
    '--workers',
    '1',
    '--log',
    'none',
    '--max-body-bytes',
    '4096',
    '--deadline',
    '5',
  ]);
  url = new URL((await server.saw(/listening on (\S+)/))[1]);
});

afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  server.child.kill('SIGINT');
  await server.exit;
});

async function open(written = ''): Promise<Socket> {
  const socket = connect(Number(url.port), url.hostname);
  socket.on('error', () => undefined); // the server may hang up
  sockets.push(socket);
  await once(socket, 'connect');
  if (written !== '') socket.write(written);
  return socket;
}

/** What the server answers to bytes on a connection of their own. */
async function answerTo(written: string): Promise<string> {
  const socket = await open(written);
  return text(socket);
}

async function predict(): Promise<number> {
  const response = await fetch(new URL('/v1/predict', url), {
    method: 'POST',
    headers: { 'content-type': 'text/plain' },
    body: 'not a good film',
  });
  await response.arrayBuffer();
  return response.status;
}

const POST = 'POST /v1/predict HTTP/1.1\r\nhost: slim\r\ncontent-type: text/plain\r\n';

describe('others are answered', () => {
  it('beside a thousand half-open connections', async () => {
    await Promise.all(Array.from({ length: 500 }, () => open('POST /v1/predict HTTP/1.1\r\nhost: sl')));
    await Promise.all(Array.from({ length: 500 }, () => open(`${POST}content-length: 4000\r\n\r\nnot a`)));
    expect(await Promise.all(Array.from({ length: 16 }, predict))).toEqual(Array.from({ length: 16 }, () => 200));
  });

  it('beside clients that send a byte at a time', async () => {
    const slow = await Promise.all(Array.from({ length: 50 }, () => open(`${POST}transfer-encoding: chunked\r\n\r\n`)));
    const dripping = setInterval(() => slow.forEach((socket) => socket.write('1\r\na\r\n')), 10);
    for (let i = 0; i < 30; i++) expect(await predict()).toBe(200);
    clearInterval(dripping);
  });

  it('beside clients that leave in the middle', async () => {
    for (let i = 0; i < 100; i++)
      (await open(`${POST}content-length: 10\r\n\r\n${i % 2 ? 'not a good' : 'not'}`)).destroy();
    expect(await predict()).toBe(200);
  });
});

describe('what is no HTTP', () => {
  it.each([
    ['noise', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n', 400],
    ['two lengths', `${POST}content-length: 3\r\ncontent-length: 4\r\n\r\nnot`, 400],
    ['a length and chunks', `${POST}content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
    ['headers without end', `GET / HTTP/1.1\r\nhost: slim\r\nx: ${'a'.repeat(100_000)}\r\n\r\n`, 431],
  ])('%s is told so', async (_, written, status) => {
    const [head, body] = (await answerTo(written)).split('\r\n\r\n');
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(head).toContain('Content-Type: application/problem+json');
    expect(JSON.parse(body)).toMatchObject({ type: 'about:blank', status });
  });

  it.each([
    ['a host that is none', 'GET /healthz HTTP/1.1\r\nhost: a b[\r\nconnection: close\r\n\r\n'],
    ['a target that is none', 'GET http://[ HTTP/1.1\r\nhost: slim\r\nconnection: close\r\n\r\n'],
  ])('%s is refused', async (_, written) => {
    expect(await answerTo(written)).toMatch(/^HTTP\/1.1 4\d\d /);
  });

  it('and the server goes on', async () => {
    expect(await predict()).toBe(200);
  });
});

it('chunks that grow beyond the limit are refused while they come', async () => {
  const answer = await answerTo(
    `${POST}transfer-encoding: chunked\r\nconnection: close\r\n\r\n${`1000\r\n${'a'.repeat(4096)}\r\n`.repeat(30)}`,
  );
  expect(answer).toMatch(/^HTTP\/1.1 413 /);
});

it.skipIf(process.platform !== 'linux')(
  `holds no more memory for it${process.platform === 'linux' ? '' : ' (skipped: needs /proc)'}`,
  () => {
    const residentKb = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.child.pid}/status`, 'utf8'))![1]);
    expect(residentKb).toBeLessThan(400 * 1024);
  },
);
