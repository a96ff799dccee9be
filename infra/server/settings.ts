import { defaultWorkers } from '../../runtime/hosts/node-process.ts';
import type { ListenOptions } from '../../runtime/hosts/node-server.ts';

/** What the environment says of a server that is a process of its own. */
export interface ProcessSettings extends Required<ListenOptions> {
  /** Threads that classify. */
  readonly workers: number;
}

/**
 * What a server in a process of its own takes from the environment beside the app's options: PORT (8080 unless given),
 * HOST (0.0.0.0), WORKERS (processors, at most 4) and TRUST_PROXY (1: count requests by the last address in
 * X-Forwarded-For, which a proxy in front of it adds).
 * @throws Error naming a variable that is set to something else.
 */
export function processSettings({
  PORT,
  HOST,
  WORKERS,
  TRUST_PROXY,
}: Readonly<Record<string, string | undefined>>): ProcessSettings {
  if (![undefined, '', '0', '1'].includes(TRUST_PROXY))
    throw new Error(`TRUST_PROXY: expected 0 or 1, got ${JSON.stringify(TRUST_PROXY)}`);
  return {
    port: whole('PORT', PORT, 0, 65_535) ?? 8080,
    host: HOST || '0.0.0.0',
    workers: whole('WORKERS', WORKERS, 1, 256) ?? defaultWorkers(),
    trustProxy: TRUST_PROXY === '1',
  };
}

function whole(name: string, text: string | undefined, least: number, most: number): number | undefined {
  if (!text) return undefined;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most)
    throw new Error(`${name}: expected a whole number from ${least} to ${most}, got ${JSON.stringify(text)}`);
  return value;
}
