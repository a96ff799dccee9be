/** `slim bench serve`: what is counted is held to what the server counts. Times are not judged. */
import { readFileSync, writeFileSync } from 'node:fs';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodePng } from '../../cli/bench/png.ts';
import { bytesPerMinute, residentBytes } from '../../cli/bench/resident-memory.ts';
import { lastHalfSlope, type ServeLoad } from '../../cli/bench/serve.ts';
import { sampleRequest } from '../../cli/bench/serve-request.ts';
import { defaultImagePreprocess } from '../../runtime/preprocess/spec.ts';
import { skipNote } from '../contract/hosts/installed.ts';
import { smallTextArtifact } from '../runtime/text/small-tokenizer.ts';
import { slim, slimJson, workFolder, writeTinyModel } from '../support/cli.ts';
import { type Running, start } from '../support/process.ts';

const work = workFolder();
const pictures = work.path('pictures.slim');
const texts = work.path('texts.slim');
const noProc = process.platform === 'linux' ? null : 'needs /proc';
const short = ['--duration', '1', '--warm-up', '0', '--connections', '3'];

beforeAll(async () => {
  await writeTinyModel(work.path('model'));
  await slimJson(['pack', work.path('model'), '--out', pictures]);
  writeFileSync(texts, await smallTextArtifact());
});
afterAll(() => work.remove());

const bench = async (...args: readonly string[]): Promise<ServeLoad & Record<string, unknown>> =>
  (await slimJson(['bench', 'serve', ...args])) as unknown as ServeLoad & Record<string, unknown>;

function expectCounted({ counts, latencyMs, requestsPerSecond, seconds }: ServeLoad): void {
  expect(counts['2xx']).toBeGreaterThan(0);
  expect(counts).toMatchObject({ '429': 0, '503': 0, otherStatuses: 0, errors: 0, timeouts: 0 });
  expect(requestsPerSecond * seconds).toBeCloseTo(counts['2xx'], 6);
  const { p50, p97_5, p99, max } = latencyMs!;
  expect([p50, p97_5, p99, max].sort((a, b) => a - b)).toEqual([p50, p97_5, p99, max]);
  expect(p50).toBeGreaterThan(0);
}

describe('slim bench serve', () => {
  it('starts a server of an artifact, and tells requests, latency and memory', async () => {
    const told = await bench(pictures, ...short, '--warm-up', '1', '--workers', '0');
    expect(told).toMatchObject({
      version: 1,
      artifact: pictures,
      url: null,
      connections: 3,
      warmUpSeconds: 1,
      input: { what: 'a PNG of 16×16 pixels', contentType: 'image/png' },
    });
    expectCounted(told);
    if (process.platform === 'linux') {
      const { startBytes, warmBytes, endBytes } = told.memory!;
      // A process with Node in it, and not more than this machine has.
      for (const bytes of [startBytes, warmBytes, endBytes]) expect(bytes).toBeGreaterThan(20e6);
      for (const bytes of [startBytes, warmBytes, endBytes]) expect(bytes).toBeLessThan(2e9);
    }
  });

  it('counts what the server counts', async () => {
    const running = start(['serve', texts, '--port', '0', '--workers', '0', '--log', 'none', '--json']);
    try {
      const url = await urlOf(running);
      const told = await bench('--url', `${url}/`, ...short);
      expectCounted(told);
      expect(told).toMatchObject({ url: `${url}/`, memory: null, input: { contentType: 'text/plain' } });
      const answered = await answeredBy(url, '200');
      // One request before, to see that it works; and each connection is cut while it waits for one more answer.
      expect(answered - 1 - told.counts['2xx']).toBeGreaterThanOrEqual(0);
      expect(answered - 1 - told.counts['2xx']).toBeLessThanOrEqual(3);
    } finally {
      await stop(running);
    }
  });

  it('tells refusals apart', async () => {
    const running = start([
      'serve',
      texts,
      '--port',
      '0',
      '--workers',
      '0',
      '--log',
      'none',
      '--json',
      '--rate-limit',
      '20',
      '--token',
      'a-token-for-this-test',
    ]);
    try {
      const url = await urlOf(running);
      const { counts } = await bench('--url', url, ...short, '--token', 'a-token-for-this-test');
      // 20 at once and one every 3 s, of which GET /v1/model and the first request took two.
      expect(counts['2xx']).toBeGreaterThanOrEqual(18);
      expect(counts['2xx']).toBeLessThanOrEqual(20);
      expect(counts['429']).toBeGreaterThan(0);
      expect(counts).toMatchObject({ '503': 0, otherStatuses: 0, errors: 0, timeouts: 0 });
    } finally {
      await stop(running);
    }
  });

  it('sends a file, and prints tables', async () => {
    const file = work.path('review.txt');
    writeFileSync(file, 'a good film');
    const { code, stdout, stderr } = await slim(['bench', 'serve', texts, ...short, '--input', file]);
    expect(code, stderr).toBe(0);
    const [title, header, row, , statuses] = stdout.split('\n');
    expect(title).toContain(`3 connections, 1.`);
    expect(title).toContain(`${file} (11 B)`);
    expect([header, statuses].map((line) => line.split(/ {2,}/))).toEqual([
      ['requests/s', 'p50 ms', 'p97.5 ms', 'p99 ms', 'max ms'],
      ['2xx', '429', '503', 'other', 'errors', 'timeouts'],
    ]);
    expect(row).toMatch(/^[\d.]+( +[\d.]+){4}$/);
    expect(stderr).toMatch(/^second \d+\/1 {2}measuring, [\d,]+ answered/m);
  });

  it.each<[string, () => string[], 1 | 2, RegExp]>([
    ['nothing to ask', () => [], 2, /expected either an artifact or --url/],
    ['two servers', () => [texts, '--url', 'http://localhost:1'], 2, /expected either an artifact or --url/],
    [
      'an address that is none',
      () => ['--url', 'localhost:8080'],
      2,
      /--url localhost:8080: expected an address such as http:/,
    ],
    [
      'workers of another server',
      () => ['--url', 'http://localhost:1', '--workers', '2'],
      2,
      /--workers is for a server that is started here/,
    ],
    ['nobody there', () => ['--url', 'http://127.0.0.1:1'], 1, /http:\/\/127\.0\.0\.1:1\/v1\/model can't be reached: /],
    ['no artifact', () => [work.path('nope.slim')], 1, /nope\.slim does not exist\nhint: Make one with slim pack/],
    ['no input', () => [texts, '--input', work.path('nope.txt')], 1, /can't read .*nope\.txt: ENOENT/],
    [
      'an input that is no picture',
      () => [pictures, '--input', texts],
      1,
      /\/v1\/predict answered 422: not a picture of a known format/,
    ],
  ])('refuses %s', async (_, args, exitCode, message) => {
    const { code, stdout, stderr } = await slim(['bench', 'serve', ...args(), ...short]);
    expect([code, stdout]).toEqual([exitCode, '']);
    expect(stderr).toMatch(message);
  });

  it.skipIf(noProc !== null)(`ends when it is interrupted, and its server with it${skipNote(noProc)}`, async () => {
    const before = children();
    const interrupt = new AbortController();
    const { code, stdout, stderr } = await slim(['bench', 'serve', texts, '--duration', '600', '--warm-up', '600'], {
      signal: interrupt.signal,
      onStderr: (text) => {
        if (text.includes('warm-up')) interrupt.abort();
      },
    });
    expect([code, stdout, stderr.split('\n').at(-2)]).toEqual([130, '', 'interrupted']);
    expect(children()).toEqual(before);
  });

  it.skipIf(noProc !== null)(`ends when its server does, and says so${skipNote(noProc)}`, async () => {
    const before = children();
    const { code, stdout, stderr } = await slim(['bench', 'serve', texts, '--duration', '600', '--warm-up', '600'], {
      onStderr: (text) => {
        if (text.includes('warm-up'))
          for (const pid of children().filter((child) => !before.includes(child))) process.kill(Number(pid), 'SIGKILL');
      },
    });
    expect([code, stdout, stderr.split('\n').at(-2)]).toEqual([1, '', 'error: slim serve ended by itself']);
  });
});

describe('the requests', () => {
  it('of a picture model are the same PNG for a seed, as large as what the model takes', async () => {
    const model = {
      task: 'image-classification',
      preprocessing: defaultImagePreprocess({ width: 40, height: 30 }),
    } as const;
    const { body } = sampleRequest(model, 1);
    expect(await sharp(body).metadata()).toMatchObject({ format: 'png', width: 40, height: 30, channels: 3 });
    expect(sampleRequest(model, 1).body.equals(body)).toBe(true);
    expect(sampleRequest(model, 2).body.equals(body)).toBe(false);
  });

  it('hold the pixels that were drawn', async () => {
    const rgb = Uint8Array.from({ length: 5 * 3 * 3 }, (_, i) => (37 * i) % 256);
    expect([
      ...(await sharp(encodePng(5, 3, rgb))
        .raw()
        .toBuffer()),
    ]).toEqual([...rgb]);
  });

  it('are as large as photographs', () => {
    const { body } = sampleRequest(
      { task: 'image-classification', preprocessing: defaultImagePreprocess({ width: 224, height: 224 }) },
      0,
    );
    expect(body.length).toBeGreaterThan(10_000);
    expect(body.length).toBeLessThan(30_000);
  });
});

describe('memory', () => {
  it('of this process is what Node says', async ({ skip }) => {
    const bytes = (await residentBytes(process.pid)) ?? skip('only Linux tells');
    expect(Math.abs(bytes / process.memoryUsage.rss() - 1)).toBeLessThan(0.2);
  });

  it('of a process that is gone is not known', async () => {
    expect(await residentBytes(2 ** 30)).toBe(null);
  });

  it.each<[string, readonly (readonly [number, number])[], number | null]>([
    [
      'a line',
      [
        [0, 100],
        [1, 102],
        [2, 104],
        [4, 108],
      ],
      120,
    ],
    [
      'flat',
      [
        [0, 7],
        [10, 7],
        [20, 7],
      ],
      0,
    ],
    // Least squares by hand: means 1 and 11/3; Σ dt·db = 1 over Σ dt² = 2.
    [
      'noise',
      [
        [0, 3],
        [1, 4],
        [2, 4],
      ],
      30,
    ],
    [
      'one moment',
      [
        [3, 5],
        [3, 9],
      ],
      null,
    ],
    ['nothing', [], null],
  ])('grows by its slope: %s', (_, points, slope) => {
    expect(bytesPerMinute(points.map(([seconds, bytes]) => ({ seconds, bytes })))).toEqual(
      slope === null ? null : expect.closeTo(slope, 9),
    );
  });
});

it('the last half tells whether memory grows, where there is enough of it', () => {
  const steps = Array.from({ length: 20 }, (_, i) => ({ seconds: i, bytes: i < 10 ? 1000 * i : 10_000 }));
  expect(lastHalfSlope(steps)).toBe(0);
  expect(lastHalfSlope(steps.slice(0, 10))).toBeCloseTo(60_000, 6);
  expect(lastHalfSlope(steps.slice(0, 8))).toBe(null);
});

async function urlOf(running: Running): Promise<string> {
  return (await running.saw(/"url":"([^"]+)"/))[1];
}

async function stop({ child, exit }: Running): Promise<void> {
  child.kill('SIGTERM');
  await exit;
}

/** The processes that this one started, as Linux knows them. */
function children(): string[] {
  return readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8').trim().split(' ');
}

/** How many requests for predictions a server says it answered so. */
async function answeredBy(url: string, status: string): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  const line = metrics
    .split('\n')
    .find(
      (text) => text.startsWith('slim_requests_total{') && text.includes('/v1/predict') && text.includes(`"${status}"`),
    );
  return Number(line?.split(' ').at(-1));
}
