/** workerd, the runtime of Cloudflare's workers. */
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { Host } from './host.ts';
import { hostFile, NOT_INSTALLED } from './installed.ts';
import type { HostAnswer } from './program.ts';

const file = hostFile(
  ...['linux-64', 'linux-arm64', 'darwin-arm64', 'darwin-64'].map(
    (platform) => `@cloudflare/workerd-${platform}/bin/workerd`,
  ),
);

export const workerd: Host = {
  name: 'workerd',
  absent: file === null ? NOT_INSTALLED : null,
  builds: ['simd128', 'relaxed', 'relaxedPairs'],
  async run(folder, request) {
    const worker = await startWorker(folder, ['worker.mjs', ...request.builds.map((build) => `${build}.wasm`)]);
    try {
      const response = await fetch(worker.url, { method: 'POST', body: JSON.stringify(request) });
      if (!response.ok) throw new Error(`the worker answered ${response.status}: ${await response.text()}`);
      return (await response.json()) as HostAnswer;
    } finally {
      worker.stop();
    }
  },
};

const MODULE_KINDS: Readonly<Record<string, string>> = { mjs: 'esModule', wasm: 'wasm', slim: 'data', html: 'text' };

/** Serves a worker made of files of a folder, the first its main module. */
export async function startWorker(
  folder: string,
  modules: readonly string[],
): Promise<{ readonly url: string; stop(): void }> {
  const config = join(folder, 'config.capnp');
  await writeFile(config, configOf(modules));
  const child = spawn(file!, ['serve', config, '--control-fd=3'], { stdio: ['ignore', 'ignore', 'pipe', 'pipe'] });
  const stderr = text(child.stderr!);
  const failed = new Promise<never>((_, reject) => {
    child.on('error', reject);
    child.on(
      'exit',
      (code) => void stderr.then((reason) => reject(new Error(`workerd ended with ${code}: ${reason}`))),
    );
  });
  failed.catch(() => undefined); // of interest until it listens
  const port = await Promise.race([portOf(child.stdio[3] as Readable), failed]);
  return { url: `http://127.0.0.1:${port}`, stop: () => void child.kill() };
}

/** https://github.com/cloudflare/workerd/blob/main/src/workerd/server/workerd.capnp */
function configOf(modules: readonly string[]): string {
  const embedded = modules.map(
    (name) => `(name = "${name}", ${MODULE_KINDS[name.split('.').at(-1)!]} = embed "${name}")`,
  );
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker)],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const worker :Workerd.Worker = (modules = [${embedded.join(', ')}], compatibilityDate = "2026-01-01");
`;
}

/** Where it listens, once it does: workerd tells on its control pipe. */
function portOf(control: Readable): Promise<number> {
  return new Promise((resolve) => {
    control.on('data', (data: Buffer) => {
      const listening = /"event":"listen".*"port":(\d+)/.exec(data.toString());
      if (listening !== null) resolve(Number(listening[1]));
    });
  });
}
