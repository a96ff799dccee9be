/** `slim deploy --to node`, `bun`, `deno`: a folder that serves an artifact, with what a container and a systemd service need of it. */
import { readFile } from 'node:fs/promises';
import { settingsOf } from '../../runtime/hosts/settings.ts';
import type { AppOptions } from '../../runtime/http/app.ts';
import { openArtifact } from '../io/artifact.ts';
import { builtAsset } from '../io/assets.ts';
import { dockerfile } from './dockerfile.ts';
import type { DeployFiles } from './folder.ts';
import { serverReadme } from './server-readme.ts';
import { systemdUnit } from './systemd-unit.ts';

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

const packageJson = (engine: string, version: string): HostFacts['manifest'] =>
  ['package.json', (name, start) => ({ name, private: true, type: 'module', engines: { [engine]: version }, scripts: { start } })];

export const SERVER_HOSTS: Readonly<Record<ServerHost, HostFacts>> = {
  node: {
    title: 'Node', image: 'node:24-slim', user: 'node',
    serve: ['node', 'server.mjs'], check: ['node', 'healthcheck.mjs'], manifest: packageJson('node', '>=20.19'),
  },
  bun: {
    title: 'Bun', image: 'oven/bun:1-slim', user: 'bun',
    serve: ['bun', 'server.mjs'], check: ['bun', 'healthcheck.mjs'], manifest: packageJson('bun', '>=1.4'),
  },
  deno: {
    title: 'Deno', image: 'denoland/deno:2.9.5', user: 'deno',
    // Without the last flag, Deno aborts a request's signal when it is answered, too.
    serve: ['deno', 'run', '--no-prompt', '--no-remote', '--allow-net', '--allow-env', '--allow-read=.', '--unstable-no-legacy-abort', 'server.mjs'],
    check: ['deno', 'run', '--no-prompt', '--no-remote', '--allow-net', '--allow-env', 'healthcheck.mjs'],
    manifest: ['deno.json', (_, start) => ({ tasks: { start } })],
  },
};

export interface ServerSettings {
  readonly name: string;
  readonly access: Pick<AppOptions, 'tokenDigest' | 'ratePerMinute' | 'corsOrigins' | 'maxBodyBytes' | 'deadlineMs'>;
}

/** Files that run, by whether only models for pictures need them. */
const CODE = ['server.mjs', 'classifier-worker.mjs', 'healthcheck.mjs', 'kernels.wasm', 'kernels-relaxed.wasm', 'kernels-relaxed-pairs.wasm', 'page.html'] as const;
const CODECS = ['codec-jpeg.wasm', 'codec-png.wasm', 'codec-webp.wasm'] as const;

/** All files of the folder, by name. @throws UserError where the artifact is none */
export async function filesOfServer(host: ServerHost, artifactPath: string, { name, access }: ServerSettings): Promise<DeployFiles> {
  const { manifest } = await openArtifact(artifactPath); // refuses what is none
  const facts = SERVER_HOSTS[host];
  const names = manifest.task === 'text-classification' ? CODE : [...CODE, ...CODECS];
  const built = await Promise.all(names.map(async (file) => [file, new Uint8Array(await readFile(builtAsset(`${host}/${file}`)))] as const));
  const running = { ...Object.fromEntries(built), 'model.slim': new Uint8Array(await readFile(artifactPath)) };
  const [manifestFile, manifestOf] = facts.manifest;
  const copied = [...Object.keys(running), manifestFile].sort();
  const environment = settingsOf(access);
  return {
    ...running,
    [manifestFile]: `${JSON.stringify(manifestOf(name, facts.serve.join(' ')), null, 2)}\n`,
    Dockerfile: dockerfile(facts, copied, environment),
    [`${name}.service`]: systemdUnit(name, facts, environment),
    'README.md': serverReadme(name, facts, copied, manifest),
  };
}
