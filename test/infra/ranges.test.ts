import { expect, it } from 'vitest';
import { readInRanges } from '../../infra/aws-lambda/ranges.ts';

const bytes = Uint8Array.from({ length: 1003 }, (_, i) => (i * 31) % 251);
const readOf = (first: number, last: number): Uint8Array => bytes.subarray(first, last + 1);

it.each([1, 2, 10, 1002, 1003, 1004, 5000])('joins ranges of %i bytes', async (rangeBytes) => {
  const ranges: number[][] = [];
  const read = await readInRanges(
    bytes.length,
    async (first, last) => {
      ranges.push([first, last]);
      return readOf(first, last);
    },
    rangeBytes,
  );
  expect(read).toEqual(bytes);
  expect(ranges).toHaveLength(Math.ceil(bytes.length / rangeBytes));
  expect(Math.max(...ranges.flat())).toBe(bytes.length - 1);
});

it('reads several at a time, eight at most', async () => {
  let reading = 0;
  let most = 0;
  await readInRanges(
    bytes.length,
    async (first, last) => {
      most = Math.max(most, ++reading);
      await new Promise((resolve) => setTimeout(resolve, 1));
      reading--;
      return readOf(first, last);
    },
    10,
  );
  expect(most).toBe(8);
});

it('reads again what failed or came short, three times in all', async () => {
  const attempts = new Map<number, number>();
  const flaky = async (first: number, last: number): Promise<Uint8Array> => {
    const attempt = (attempts.get(first) ?? 0) + 1;
    attempts.set(first, attempt);
    if (first === 100 && attempt === 1) throw new Error('connection reset');
    return first === 200 && attempt < 3 ? readOf(first, last - 1) : readOf(first, last);
  };
  expect(await readInRanges(bytes.length, flaky, 100)).toEqual(bytes);
  expect([attempts.get(0), attempts.get(100), attempts.get(200)]).toEqual([1, 2, 3]);
  await expect(readInRanges(bytes.length, async (first, last) => readOf(first, last - 1), 1003)).rejects.toThrow(
    'bytes 0 to 1002: expected 1003, got 1002',
  );
});
