import { availableParallelism } from 'node:os';
import { describe, expect, it } from 'vitest';
import { clientOf } from '../../infra/server/client.ts';
import { processSettings } from '../../infra/server/settings.ts';

describe('what a server takes from its environment', () => {
  it('has defaults', () => {
    const defaults = { port: 8080, host: '0.0.0.0', workers: Math.min(4, availableParallelism()), trustProxy: false };
    expect(processSettings({})).toEqual(defaults);
    expect(processSettings({ PORT: '', HOST: '', WORKERS: '', TRUST_PROXY: '' })).toEqual(defaults);
  });

  it('is what is set', () => {
    expect(processSettings({ PORT: '0', HOST: '::1', WORKERS: '7', TRUST_PROXY: '1' })).toEqual({
      port: 0,
      host: '::1',
      workers: 7,
      trustProxy: true,
    });
  });

  it.each([
    ['PORT', '80a'],
    ['PORT', '65536'],
    ['PORT', '-1'],
    ['WORKERS', '0'],
    ['WORKERS', '1.5'],
    ['WORKERS', '1000'],
    ['TRUST_PROXY', 'yes'],
  ])('is refused where %s is %s', (name, value) => {
    expect(() => processSettings({ [name]: value })).toThrow(`${name}: expected`);
  });
});

it.each([
  ['the socket, whoever claims what', '6.6.6.6', false, '10.0.0.1'],
  ['what the last proxy saw, not what a client claims', '6.6.6.6, 192.0.2.7', true, '192.0.2.7'],
  ['the socket where a proxy adds nothing', '', true, '10.0.0.1'],
])("a client's address is %s", (_, forwarded, trustProxy, address) => {
  expect(
    clientOf(new Request('http://slim/', { headers: { 'x-forwarded-for': forwarded } }), '10.0.0.1', trustProxy),
  ).toBe(address);
});
