/** Packed bodies, against what Node's zlib packs. */
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { createBodyBudget } from '../../runtime/http/body.ts';
import { decoderOf } from '../../runtime/http/content-encoding.ts';
import type { Problem } from '../../runtime/http/problem.ts';

const request = (encoding?: string): Request =>
  new Request('http://slim/', {
    method: 'POST',
    headers: encoding === undefined ? {} : { 'content-encoding': encoding },
  });

const bytes = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

async function unpacked(encoding: string | undefined, body: Uint8Array, most = 1000): Promise<string> {
  return new TextDecoder().decode(await decoderOf(request(encoding))(new Uint8Array(body), most));
}

async function problemOf(asked: () => Promise<unknown>): Promise<Pick<Problem, 'status' | 'message' | 'headers'>> {
  const { status, message, headers } = (await Promise.resolve()
    .then(asked)
    .then(
      () => expect.unreachable(),
      (error: unknown) => error,
    )) as Problem;
  return { status, message, headers };
}

describe('Content-Encoding', () => {
  const text = 'a good film '.repeat(50);

  it.each([
    ['none', undefined, bytes(text)],
    ['identity', 'identity', bytes(text)],
    ['gzip', 'gzip', gzipSync(text)],
    ['gzip, in capitals', ' GZIP ', gzipSync(text)],
    ['x-gzip', 'x-gzip', gzipSync(text)],
    ['deflate', 'deflate', deflateSync(text)],
    ['nothing, packed', 'gzip', gzipSync('')],
  ])('%s', async (name, encoding, body) => {
    expect(await unpacked(encoding, body)).toBe(name.startsWith('nothing') ? '' : text);
  });

  it('br, where the host has it; else it is named as one that is not taken', async () => {
    const has = (() => {
      try {
        return new DecompressionStream('brotli' as CompressionFormat) !== null;
      } catch {
        return false;
      }
    })();
    if (has) expect(await unpacked('br', brotliCompressSync(text))).toBe(text);
    else expect((await problemOf(() => unpacked('br', brotliCompressSync(text)))).message).toContain('got br');
  });

  it.each(['zstd', 'gzip, gzip', 'compress', 'constructor'])(
    '%s is named as one that is not taken',
    async (encoding) => {
      expect(await problemOf(() => unpacked(encoding, bytes(text)))).toEqual({
        status: 415,
        message: `Content-Encoding: expected gzip, deflate or none, got ${encoding}`,
        headers: { 'accept-encoding': 'gzip, deflate' },
      });
    },
  );

  it.each([
    ['no gzip', bytes(text)],
    ['deflate', deflateSync(text)],
    ['cut off', gzipSync(text).subarray(0, -9)],
    ['without its checksum', gzipSync(text).subarray(0, -4)],
    ['of another checksum', Buffer.concat([gzipSync(text).subarray(0, -8), Buffer.alloc(8)])],
    ['nothing', bytes('')],
  ])('gzip that is %s is refused', async (_, body) => {
    expect(await problemOf(() => unpacked('gzip', body))).toMatchObject({
      status: 400,
      message: 'the body: expected gzip',
    });
  });

  it('counts unpacked bytes, and stops soon after the limit', async () => {
    expect(await unpacked('gzip', gzipSync('x'.repeat(1000)))).toHaveLength(1000);
    let unpackedBytes = 0;
    const counting = {
      take: (count: number) => {
        unpackedBytes += count;
      },
      give: (count: number) => {
        unpackedBytes -= count;
      },
    };
    const bomb = new Uint8Array(gzipSync(new Uint8Array(256 * 1024 ** 2)));
    expect(bomb.length).toBeLessThan(300_000);
    let most = 0;
    const watching = {
      take: (count: number) => {
        counting.take(count);
        most = Math.max(most, unpackedBytes);
      },
      give: counting.give,
    };
    const { status, message } = await problemOf(() => decoderOf(request('gzip'))(bomb, 1_000_000, watching));
    expect([status, message]).toEqual([413, 'the body is larger than 1000000 bytes unpacked']);
    expect(most).toBeLessThanOrEqual(1_000_000);
    expect(unpackedBytes).toBe(0);
  });

  it('takes its bytes from the budget of all requests', async () => {
    const budget = createBodyBudget(500);
    const decode = decoderOf(request('gzip'));
    expect(await problemOf(() => decode(new Uint8Array(gzipSync(text)), 1000, budget))).toMatchObject({ status: 503 });
    budget.take(500); // nothing of it is kept back
  });
});
