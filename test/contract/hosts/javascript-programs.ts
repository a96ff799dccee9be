/** Node, Bun and Deno: programs that run a module, given a request on stdin. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Host } from './host.ts';
import { NOT_INSTALLED, programs } from './installed.ts';
import type { HostAnswer, HostRequest } from './program.ts';

/** Relaxed SIMD is behind a flag before Node 22, where it computes wrong results. */
const hasRelaxedSimd = Number(process.versions.node.split('.')[0]) >= 22;

export const thisNode: Host = {
  name: `Node ${process.versions.node} (this one)`,
  absent: null,
  builds: hasRelaxedSimd ? ['simd128', 'relaxed', 'relaxedPairs'] : ['simd128'],
  run: (folder, request) => runProgram(process.execPath, [], folder, request),
};

export const node24 = program('Node 24', programs.node24);
export const bun = program('Bun', programs.bun);
export const deno = program('Deno', programs.deno, ['run', '--quiet', '--no-config', '--no-remote', '--allow-read']);

function program(name: string, file: string | null, flags: readonly string[] = []): Host {
  return {
    name,
    absent: file === null ? NOT_INSTALLED : null,
    builds: ['simd128', 'relaxed', 'relaxedPairs'],
    run: (folder, request) => runProgram(file!, flags, folder, request),
  };
}

async function runProgram(
  file: string,
  flags: readonly string[],
  folder: string,
  request: HostRequest,
): Promise<HostAnswer> {
  const child = spawn(file, [...flags, join(folder, 'command-line.mjs')], {
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: 30_000,
  });
  const exit = new Promise<number | null>((resolve, reject) => child.on('close', resolve).on('error', reject));
  // A program that ends early tells why on stderr.
  child.stdin.on('error', () => undefined).end(JSON.stringify(request));
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), exit]);
  if (code !== 0) throw new Error(`${file} ended with ${code}: ${stderr}`);
  return JSON.parse(stdout) as HostAnswer;
}
