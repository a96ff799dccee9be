/** Debian's OpenStack Swift with its S3 API, on loopback: an S3 server that is neither AWS nor ours. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { notInstalled, systemProgram } from '../../contract/hosts/installed.ts';
import { ACCESS_KEY, SECRET_KEY, SERVERS, type Server, writeConfiguration } from './configuration.ts';

const missing = SERVERS.filter((server) => systemProgram(`swift-${server}-server`) === null);

/** Why it can't run here; null where it can. */
export const swiftAbsent =
  missing.length > 0 ? notInstalled(`apt-get install ${missing.map((server) => `swift-${server}`).join(' ')}`) : null;

export interface Swift {
  readonly endpoint: string;
  readonly accessKey: string;
  readonly secretKey: string;
  close(): Promise<void>;
}

const START_LIMIT_MS = 90_000;

/**
 * Starts its servers over an empty device and waits until they answer. Throws, with what they wrote, where one does
 * not.
 */
export async function startSwift(): Promise<Swift> {
  const folder = mkdtempSync(join(tmpdir(), 'slim-swift-'));
  const free = await freePorts(SERVERS.length);
  const ports = Object.fromEntries(SERVERS.map((server, i) => [server, free[i]])) as Record<Server, number>;
  const files = writeConfiguration(folder, ports);
  const log = join(folder, 'log');
  const children = SERVERS.map((server) => startServer(server, files[server], log));
  const close = async (): Promise<void> => {
    await Promise.all(children.map(end));
    rmSync(folder, { recursive: true });
  };
  try {
    await Promise.all(SERVERS.map((server) => untilHealthy(`http://127.0.0.1:${ports[server]}/healthcheck`)));
  } catch (error) {
    const written = readFileSync(log, 'utf8');
    await close();
    throw new Error(`Swift did not start: ${written}`, { cause: error });
  }
  return { endpoint: `http://127.0.0.1:${ports.proxy}`, accessKey: ACCESS_KEY, secretKey: SECRET_KEY, close };
}

function startServer(server: Server, configuration: string, log: string): ChildProcess {
  const output = openSync(log, 'a');
  const child = spawn(systemProgram(`swift-${server}-server`)!, [configuration, '--verbose'], {
    stdio: ['ignore', output, output],
  });
  closeSync(output);
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit');
  if (child.exitCode === null && child.kill('SIGKILL')) await exited;
}

async function untilHealthy(url: string): Promise<void> {
  const limit = AbortSignal.timeout(START_LIMIT_MS);
  while (!(await isHealthy(url))) await wait(50, undefined, { signal: limit });
}

async function isHealthy(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false; // it does not listen yet
  }
}

/** Free when asked: Swift's servers can't choose one themselves and tell. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}
