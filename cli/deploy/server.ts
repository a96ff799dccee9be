/**
 * `slim deploy --to node`, `bun`, `deno`: a folder that serves an artifact, with what a container and a systemd service
 * need of it.
 */
import { readFile } from 'node:fs/promises';
import { settingsOf } from '../../runtime/hosts/settings.ts';
import type { AppOptions } from '../../runtime/http/app.ts';
import { openArtifact } from '../io/artifact.ts';
import { builtAsset } from '../io/assets.ts';
import { dockerfile } from './dockerfile.ts';
import type { DeployFiles } from './folder.ts';
import { SERVER_HOSTS, type ServerHost } from './server-hosts.ts';
import { serverReadme } from './server-readme.ts';
import { systemdUnit } from './systemd-unit.ts';

/** What the service is called, and what it is told by its environment. Absent limits are the app's defaults. */
export interface ServerSettings {
  readonly name: string;
  readonly access: Pick<AppOptions, 'tokenDigest' | 'ratePerMinute' | 'corsOrigins' | 'maxBodyBytes' | 'deadlineMs'>;
}

/** Files that run, by whether only models for pictures need them. */
const CODE = [
  'server.mjs',
  'classifier-worker.mjs',
  'healthcheck.mjs',
  'kernels.wasm',
  'kernels-relaxed.wasm',
  'kernels-relaxed-pairs.wasm',
  'page.html',
] as const;
const CODECS = ['codec-jpeg.wasm', 'codec-png.wasm', 'codec-webp.wasm'] as const;

/** All files of the folder, by name. @throws UserError where the artifact is none */
export async function filesOfServer(
  host: ServerHost,
  artifactPath: string,
  { name, access }: ServerSettings,
): Promise<DeployFiles> {
  const { manifest } = await openArtifact(artifactPath); // refuses what is none
  const facts = SERVER_HOSTS[host];
  const names = manifest.task === 'text-classification' ? CODE : [...CODE, ...CODECS];
  const built = await Promise.all(
    names.map(async (file) => [file, new Uint8Array(await readFile(builtAsset(`${host}/${file}`)))] as const),
  );
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
