/** workerd, the runtime of Cloudflare's workers. */
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { text } from 'node:stream/consumers';
import { hostFile } from './installed.ts';
import type { Host } from './host.ts';
import type { HostAnswer, HostRequest } from './program.ts';

const file = hostFile(...['linux-64', 'linux-arm64', 'darwin-arm64', 'darwin-64'].map((platform) => `@cloudflare/workerd-${platform}/bin/workerd`));

export const workerd: Host = {
  name: 'workerd',
  absent: file === null ? 'not installed: npm run hosts' : null,
  builds: ['simd128', 'relaxed'],
  async run(folder, request) {
    const port = await freePort();
    const config = join(folder, 'config.capnp');
    await writeFile(config, configOf(request, port));
    const child = spawn(file!, ['serve', config], { stdio: ['ignore', 'ignore', 'pipe'] });
    const failed = new Promise<never>((_, reject) => {
      child.on('error', reject);
      void text(child.stderr).then((stderr) => reject(new Error(`workerd ended: ${stderr}`)));
    });
    try {
      return await Promise.race([ask(`http://127.0.0.1:${port}/`, request), failed]);
    } finally {
      child.kill();
    }
  },
};

/** https://github.com/cloudflare/workerd/blob/main/src/workerd/server/workerd.capnp */
function configOf({ builds }: HostRequest, port: number): string {
  const modules = [
    '(name = "worker.mjs", esModule = embed "worker.mjs")',
    ...builds.map((build) => `(name = "${build}.wasm", wasm = embed "${build}.wasm")`),
  ];
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker)],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
const worker :Workerd.Worker = (modules = [${modules.join(', ')}], compatibilityDate = "2026-01-01");
`;
}

/** Asks once it listens. */
async function ask(url: string, request: HostRequest): Promise<HostAnswer> {
  for (const deadline = Date.now() + 20_000; ;) {
    try {
      const response = await fetch(url, { method: 'POST', body: JSON.stringify(request) });
      if (!response.ok) throw new Error(`the worker answered ${response.status}: ${await response.text()}`);
      return (await response.json()) as HostAnswer;
    } catch (error) {
      const refused = error instanceof TypeError; // fetch failed: nobody listens yet
      if (!refused || Date.now() > deadline) throw error;
      await sleep(50);
    }
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().on('error', reject).listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
