/** The hosts that a folder of `slim deploy` runs on, and what differs between them. */

/** What --to takes for such a folder. */
export type ServerHost = 'node' | 'bun' | 'deno';

/** What differs between hosts. */
export interface HostFacts {
  /** As it is called. */
  readonly title: string;
  /** The image that the Dockerfile begins with, and its user without rights. */
  readonly image: string;
  readonly user: string;
  /** Runs server.mjs in the folder, and healthcheck.mjs. */
  readonly serve: readonly string[];
  readonly check: readonly string[];
  /** What the host itself reads, to know the folder for what it is. */
  readonly manifest: readonly [file: string, content: (name: string, start: string) => object];
}

const packageJson = (engine: string, version: string): HostFacts['manifest'] => [
  'package.json',
  (name, start) => ({ name, private: true, type: 'module', engines: { [engine]: version }, scripts: { start } }),
];

/** The one table of them: what the Dockerfile, the systemd unit and the README of a folder are made of. */
export const SERVER_HOSTS: Readonly<Record<ServerHost, HostFacts>> = {
  node: {
    title: 'Node',
    image: 'node:24-slim',
    user: 'node',
    serve: ['node', 'server.mjs'],
    check: ['node', 'healthcheck.mjs'],
    manifest: packageJson('node', '>=20.19'),
  },
  bun: {
    title: 'Bun',
    image: 'oven/bun:1-slim',
    user: 'bun',
    serve: ['bun', 'server.mjs'],
    check: ['bun', 'healthcheck.mjs'],
    manifest: packageJson('bun', '>=1.4'),
  },
  deno: {
    title: 'Deno',
    image: 'denoland/deno:2.9.5',
    user: 'deno',
    // Without the last flag, Deno aborts a request's signal when it is answered, too.
    serve: [
      'deno',
      'run',
      '--no-prompt',
      '--no-remote',
      '--allow-net',
      '--allow-env',
      '--allow-read=.',
      '--unstable-no-legacy-abort',
      'server.mjs',
    ],
    check: ['deno', 'run', '--no-prompt', '--no-remote', '--allow-net', '--allow-env', 'healthcheck.mjs'],
    manifest: ['deno.json', (_, start) => ({ tasks: { start } })],
  },
};
