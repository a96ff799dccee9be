/**
 * Where the commands of a Markdown file run: a folder of its own, with bash, on whose path `slim` is this project's.
 * Servers take a port that is free instead of 8080, AWS and Cloudflare are stand-ins, and nobody's settings are read.
 */
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { administrator, environmentFor, startAws } from '../support/aws/aws.ts';
import { lambdaAbsent } from '../support/aws/lambda-runtime.ts';
import { bodyOf, serveLoopback } from '../support/aws/loopback.ts';
import { API_TOKEN, startCloudflareApi, workerOptionsOf } from '../support/cloudflare-api.ts';
import { projectFolder } from '../support/imports.ts';
import { miniflareAbsent, type RunningWorker, startMiniflare } from '../support/miniflare.ts';
import { wranglerAbsent, writeWrangler } from '../support/wrangler.ts';
import { writeStandIns } from './stand-ins.ts';

/** Longer than any block should take, on the slowest machine. */
const LIMIT_MS = 240_000;

export const cloudflareAbsent = wranglerAbsent ?? miniflareAbsent;

/** Lines that are left out here, for a test's title. */
export function skippedIn(code: string): string {
  const lines = code.split('\n').filter((line) => /\bslim deploy\b/.test(line) && !line.includes('--emit'));
  const cloudflare = lines.filter((line) => line.includes('--to cloudflare'));
  const skipped = [
    ...(cloudflareAbsent !== null && cloudflare.length > 0 ? [`Cloudflare ${cloudflareAbsent}`] : []),
    ...(lambdaAbsent !== null && lines.length > cloudflare.length ? [`Lambda ${lambdaAbsent}`] : []),
  ];
  return skipped.length === 0 ? '' : ` (skipped: ${skipped.join(', ')})`;
}

export interface Workplace {
  /** Runs a block: its commands one after the other, until one fails. Ends what it left in the background. */
  run(code: string): Promise<void>;
  /** What it would run, by commands and their arguments: all of them only note that they were called. */
  record(code: string): Promise<string[][]>;
  close(): Promise<void>;
}

/** Makes a folder with all that these commands name. */
export async function openWorkplace(commands: string): Promise<Workplace> {
  const root = mkdtempSync(join(tmpdir(), 'slim-docs-'));
  const [folder, home, bin, recorders] = ['folder', 'home', 'bin', 'recorders'].map((name) => join(root, name));
  for (const path of [folder, home, bin, recorders]) mkdirSync(path);
  const calls = join(root, 'calls');
  writePrograms(bin);
  for (const name of RECORDED) writeProgram(join(recorders, name), recorder(name, calls));
  await writeStandIns(commands, folder, home);
  const clouds = /\bslim deploy\b/.test(commands) ? await startClouds(home) : null;
  const environment = {
    ...ownEnvironment(),
    ...clouds?.environment,
    HOME: home,
    TMPDIR: root,
    HF_HOME: home,
    HF_HUB_OFFLINE: '1',
    SLIM_CACHE: join(home, 'slim'),
    DOCS_PORT: String(await freePort()),
  };
  return {
    run: (code) =>
      bash(`set -euxo pipefail\n${ENDING}\n${code}`, folder, {
        ...environment,
        PATH: [bin, dirname(process.execPath), process.env.PATH].join(':'),
      }),
    async record(code) {
      writeFileSync(calls, '');
      await bash(`set -euo pipefail\n${code}`, folder, { PATH: recorders });
      return readFileSync(calls, 'utf8')
        .split(CALL)
        .slice(0, -1)
        .map((call) => call.split(ARGUMENT).slice(0, -1));
    },
    async close() {
      await clouds?.close();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** What the machine needs to run programs, and nothing that is about Slim, a cloud or a person. */
function ownEnvironment(): NodeJS.ProcessEnv {
  const foreign = /^(SLIM|AWS|HF|HUGGING|CLOUDFLARE|CF|WRANGLER|NODE|VITEST|npm|XDG)_|^(TOKEN|DEV|PROD|SSR)$/i;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign.test(name)));
}

const [ARGUMENT, CALL] = ['\u001f', '\u001e'];
const RECORDED = ['slim', 'npm', 'npx'];

const recorder = (name: string, calls: string): string =>
  `#!/bin/sh\n{ printf '%s\\037' ${name} "$@"; printf '\\036'; } >> '${calls}'\n`;

/** Servers in the background end with the block; its exit code stays. */
const ENDING = `trap 'code=$?; set +x; for job in $(jobs -p); do kill "$job" 2> /dev/null || true; done; wait; exit "$code"' EXIT`;

const projectFile = (path: string): string => join(projectFolder, path);

function writePrograms(bin: string): void {
  writeProgram(join(bin, 'slim'), slimProgram(writeCloudflareTools(bin)));
  writeProgram(join(bin, 'curl'), CURL);
}

/** Wrangler apart from the path: Slim looks for one there only under a Node that is new enough for it. */
function writeCloudflareTools(bin: string): string {
  const folder = join(bin, 'cloudflare');
  mkdirSync(folder);
  return cloudflareAbsent === null ? writeWrangler(folder) : '';
}

/** `slim`: on the free port, and without what is not installed here. */
const slimProgram = (wrangler: string): string => `#!/bin/bash
set -euo pipefail
arguments=("\${@//localhost:8080/localhost:$DOCS_PORT}")
node=('${process.execPath}')
case " $* " in
  ' serve '*' --port 8080 '*) arguments+=(--port "$DOCS_PORT") ;;
  ' serve '*' --port '*) ;;
  ' serve '*) arguments+=(--port "$DOCS_PORT") ;;
  ' deploy '*' --emit '*) ;;
  ' deploy '*' --to cloudflare '*)
    ${cloudflareAbsent === null ? 'true' : 'exit 0'}
    arguments+=(--wrangler '${wrangler}')
    node+=(--import '${fileURLToPath(new URL('workers-dev.mjs', import.meta.url))}') ;;
  ' deploy '*)
    ${lambdaAbsent === null ? 'true' : 'exit 0'} ;;
esac
exec "\${node[@]}" '${projectFile('cli/bin.cjs')}' "\${arguments[@]}"
`;

/** curl: asks the server of the block once that is ready, and fails where it answers with an error. */
const CURL = `#!/bin/bash
set -euo pipefail
PATH="\${PATH#*:}"
arguments=("\${@//localhost:8080/localhost:$DOCS_PORT}")
case " $* " in *localhost:8080*)
  for try in {1..300}; do
    if curl --silent --fail --output /dev/null "http://localhost:$DOCS_PORT/readyz"; then break; fi
    sleep 0.1
  done ;;
esac
exec curl --silent --show-error --fail-with-body "\${arguments[@]}"
`;

function writeProgram(path: string, text: string): void {
  writeFileSync(path, text);
  chmodSync(path, 0o755);
}

interface Clouds {
  readonly environment: Record<string, string>;
  close(): Promise<void>;
}

/** AWS and Cloudflare. Workers run from the moment that somebody asks them. */
async function startClouds(home: string): Promise<Clouds> {
  const [aws, api] = await Promise.all([startAws(), startCloudflareApi()]);
  const workers = new Map<string, Promise<RunningWorker>>();
  const network = await serveLoopback(async (request, response) => {
    const [, name, path] = /^\/([^/]+)(\/.*)$/.exec(request.url!)!;
    if (!workers.has(name)) workers.set(name, startMiniflare(workerOptionsOf(api, name)));
    const answer = await fetch(`${(await workers.get(name)!).url}${path}`, {
      method: request.method,
      headers: { 'content-type': request.headers['content-type'] ?? '' },
      body: request.method === 'POST' ? new Uint8Array(await bodyOf(request)) : undefined,
    });
    response.writeHead(answer.status).end(Buffer.from(await answer.arrayBuffer()));
  });
  return {
    environment: {
      ...environmentFor(aws, administrator),
      AWS_CONFIG_FILE: join(home, 'none'),
      AWS_SHARED_CREDENTIALS_FILE: join(home, 'none'),
      CLOUDFLARE_API_BASE_URL: api.url,
      CLOUDFLARE_API_TOKEN: API_TOKEN,
      DOCS_WORKERS_DEV: network.url,
    },
    async close() {
      for (const worker of workers.values()) await worker.then(({ stop }) => stop()).catch(() => undefined);
      await Promise.all([network.close(), aws.close(), api.close()]);
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Runs a script to its end. @throws Error with the end of what it wrote */
async function bash(script: string, cwd: string, env: NodeJS.ProcessEnv): Promise<void> {
  // A group of its own, so that all of it can be ended.
  const child = spawn('/bin/bash', ['-c', script], { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  let written = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (data: Buffer) => {
      written += data.toString();
    });
  const late = setTimeout(() => {
    written += `\nended after ${LIMIT_MS / 1000} s: does a server run in the foreground?\n`;
    process.kill(-child.pid!, 'SIGKILL');
  }, LIMIT_MS);
  const code = await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve));
  clearTimeout(late);
  if (code !== 0) throw new Error(`exit code ${code}\n${written.slice(-4000)}`);
}
