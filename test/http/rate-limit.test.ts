import { expect, it } from 'vitest';
import { createRateLimit } from '../../runtime/http/rate-limit.ts';

it('lets a client have its requests back as time passes', () => {
  let now = 0;
  const wait = createRateLimit(60, () => now); // one a second
  expect(Array.from({ length: 60 }, () => wait('a'))).toEqual(Array.from({ length: 60 }, () => 0));
  expect(wait('a')).toBe(1);
  now = 999;
  expect(wait('a')).toBe(1);
  now = 1000;
  expect([wait('a'), wait('a')]).toEqual([0, 1]);
  now = 3_600_000; // never more than the sixty
  expect(Array.from({ length: 61 }, () => wait('a')).filter((seconds) => seconds === 0)).toHaveLength(60);
});

it('tells how long to wait', () => {
  const wait = createRateLimit(1, () => 0);
  expect([wait('a'), wait('a')]).toEqual([0, 60]);
});

it('forgets the client that it has not heard of for longest, not the one that asks', () => {
  const wait = createRateLimit(1, () => 0);
  wait('busy');
  for (let i = 0; i < 20_000; i++) {
    wait(`client ${i}`);
    expect(wait('busy')).toBe(60);
  }
  expect(wait('client 0')).toBe(0);
  expect(wait('client 19999')).toBe(60);
});
