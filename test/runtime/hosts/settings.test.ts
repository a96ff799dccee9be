import { expect, it } from 'vitest';
import { optionsFrom, settingsOf } from '../../../runtime/hosts/settings.ts';
import { digestOf } from '../../../runtime/http/access.ts';

it('goes to the environment and comes back', async () => {
  const options = {
    tokenDigest: await digestOf('abc'),
    ratePerMinute: 60,
    corsOrigins: ['https://a.example', 'http://b.example:81'],
    maxBodyBytes: 1000,
    deadlineMs: 20_000,
  };
  expect(settingsOf(options)).toEqual({
    SLIM_TOKEN_SHA256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad', // FIPS 180-2, appendix B.1
    SLIM_RATE_LIMIT: '60',
    SLIM_CORS_ORIGINS: 'https://a.example http://b.example:81',
    SLIM_MAX_BODY_BYTES: '1000',
    SLIM_DEADLINE_MS: '20000',
  });
  expect(optionsFrom(settingsOf(options))).toEqual(options);
  expect(settingsOf({})).toEqual({});
  expect(optionsFrom({ SLIM_RATE_LIMIT: '' })).toEqual({});
});

it.each([
  ['SLIM_TOKEN_SHA256', 'secret'],
  ['SLIM_RATE_LIMIT', '0'],
  ['SLIM_MAX_BODY_BYTES', '4 MB'],
  ['SLIM_DEADLINE_MS', '-1'],
])('refuses %s=%s', (name, value) => {
  expect(() => optionsFrom({ [name]: value })).toThrow(`${name}: expected`);
});
