/** Every way that slim serves an artifact, with the files that it deploys. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cloudflareProject } from '../../../cli/deploy/cloudflare/project.ts';
import type { DeployFiles } from '../../../cli/deploy/folder.ts';
import { writeDeployFolder } from '../../../cli/deploy/folder.ts';
import { filesOfServer } from '../../../cli/deploy/server.ts';
import { SERVER_HOSTS, type ServerHost } from '../../../cli/deploy/server-hosts.ts';
import { builtAsset } from '../../../cli/io/assets.ts';
import { settingsOf } from '../../../runtime/hosts/settings.ts';
import { digestOf } from '../../../runtime/http/access.ts';
import { lambdaFrontEnd } from '../../support/aws/lambda-front-end.ts';
import { lambdaAbsent, startLambda } from '../../support/aws/lambda-runtime.ts';
import { miniflareAbsent, startMiniflare, type WorkerModule } from '../../support/miniflare.ts';
import { type Running, SLIM, startCommand } from '../../support/process.ts';
import { NOT_INSTALLED, programs } from '../hosts/installed.ts';
import type { HostSettings, HttpHost, HttpHostName, RunningHost } from './host.ts';

type Access = Parameters<typeof settingsOf>[0];

async function accessOf({ token, ...rest }: HostSettings): Promise<Access> {
  return token === undefined ? rest : { ...rest, tokenDigest: await digestOf(token) };
}

const slimServe: HttpHost = {
  name: 'slim serve',
  absent: null,
  async start(artifact, { token, corsOrigins = [], maxBodyBytes }) {
    const flags = [
      ...corsOrigins.flatMap((origin) => ['--cors-origin', origin]),
      ...(maxBodyBytes === undefined ? [] : ['--max-body-bytes', `${maxBodyBytes}`]),
    ];
    const environment = { ...process.env, ...(token !== undefined && { SLIM_TOKEN: token }) };
    const server = startCommand(
      process.execPath,
      [SLIM, 'serve', artifact, '--port', '0', '--workers', '2', ...flags],
      { env: environment },
    );
    const [, url] = await server.saw(/listening on (\S+)/);
    return { url, stop: () => stopped(server) };
  },
};

async function stopped({ child, exit }: Running): Promise<void> {
  child.kill('SIGTERM');
  await exit;
}

/** A folder of `slim deploy --to node`, `bun` or `deno`. */
function server(name: HttpHostName, host: ServerHost, program: string | null): HttpHost {
  return {
    name,
    absent: program === null ? NOT_INSTALLED : null,
    async start(artifact, settings) {
      const access = await accessOf(settings);
      const folder = mkdtempSync(join(tmpdir(), 'slim-http-'));
      await writeDeployFolder(folder, host, await filesOfServer(host, artifact, { name: 'contract', access }), false);
      const [, ...args] = SERVER_HOSTS[host].serve;
      const running = startCommand(program!, args, {
        cwd: folder,
        env: {
          PATH: process.env.PATH,
          HOME: folder,
          PORT: '0',
          HOST: '127.0.0.1',
          WORKERS: '2',
          ...settingsOf(access),
        },
      });
      const [, url] = await running.saw(/"message":"listening","url":"([^"]+)"/);
      await running.saw(/"message":"ready"/);
      return {
        url,
        async stop() {
          await stopped(running);
          rmSync(folder, { recursive: true });
        },
      };
    },
  };
}

const MODULE_TYPES: Readonly<Record<string, WorkerModule['type']>> = {
  mjs: 'esm',
  wasm: 'wasm',
  slim: 'data',
  html: 'text',
};

/** The modules that wrangler would send of a project, the main one first. */
function modulesOf(files: DeployFiles): WorkerModule[] {
  const names = Object.keys(files).filter((name) => MODULE_TYPES[name.split('.').at(-1)!] !== undefined);
  return names
    .sort((a, b) => Number(b === 'worker.mjs') - Number(a === 'worker.mjs'))
    .map((name) => ({ name, type: MODULE_TYPES[name.split('.').at(-1)!], content: Buffer.from(files[name]) }));
}

const cloudflare: HttpHost = {
  name: 'cloudflare',
  absent: miniflareAbsent,
  async start(artifact, settings) {
    const { files } = await cloudflareProject(artifact, { name: 'contract', access: await accessOf(settings) });
    const { vars, compatibility_date: compatibilityDate } = JSON.parse(files['wrangler.jsonc'] as string) as {
      vars: Record<string, string>;
      compatibility_date: string;
    };
    return startMiniflare({ modules: modulesOf(files), compatibilityDate, bindings: vars });
  },
};

const lambda: HttpHost = {
  name: 'lambda',
  absent: lambdaAbsent,
  async start(artifact, settings): Promise<RunningHost> {
    const folder = mkdtempSync(join(tmpdir(), 'slim-lambda-'));
    cpSync(fileURLToPath(builtAsset('lambda/code/')), folder, { recursive: true });
    await copyFile(artifact, join(folder, 'model.slim'));
    const runtime = await startLambda({ folder, environment: settingsOf(await accessOf(settings)) });
    const { url, close } = await lambdaFrontEnd(runtime);
    return {
      url,
      async stop() {
        await close();
        await runtime.close();
        rmSync(folder, { recursive: true });
      },
    };
  },
};

export const HTTP_HOSTS: readonly HttpHost[] = [
  slimServe,
  server('node', 'node', process.execPath),
  server('node 24', 'node', programs.node24),
  server('bun', 'bun', programs.bun),
  server('deno', 'deno', programs.deno),
  cloudflare,
  lambda,
];
