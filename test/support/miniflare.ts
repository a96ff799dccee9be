/** A worker as Cloudflare was sent it, in workerd: modules, variables, buckets of R2. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { hostFile, NOT_INSTALLED, programs } from '../contract/hosts/installed.ts';

export const miniflareAbsent: string | null =
  programs.node24 !== null && hostFile('miniflare') !== null ? null : NOT_INSTALLED;

export interface WorkerModule {
  readonly name: string;
  readonly type: 'esm' | 'wasm' | 'data' | 'text';
  readonly content: Uint8Array;
}

/** A variable, or a bucket with the objects in it. */
export type WorkerBinding = string | { readonly bucket: string; readonly objects: ReadonlyMap<string, Uint8Array> };

export interface WorkerOptions {
  /** The first is its main one. */
  readonly modules: readonly WorkerModule[];
  readonly compatibilityDate: string;
  readonly bindings: Readonly<Record<string, WorkerBinding>>;
}

export interface RunningWorker {
  readonly url: string;
  /** What it wrote to its console so far. */
  log(): string;
  stop(): Promise<void>;
}

const base64Of = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

export async function startMiniflare({ modules, compatibilityDate, bindings }: WorkerOptions): Promise<RunningWorker> {
  const child = spawn(programs.node24!, [fileURLToPath(new URL('miniflare-child.mjs', import.meta.url))], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let output = '';
  child.stderr.on('data', (data: Buffer) => {
    output += data.toString();
  });
  const exit = new Promise<number | null>((resolve) => child.on('close', resolve));
  const entries = Object.entries(bindings);
  const objects = entries.flatMap(([binding, value]) =>
    typeof value === 'string'
      ? []
      : [...value.objects].map(([key, bytes]) => ({ binding, key, base64: base64Of(bytes) })),
  );
  child.stdin.write(
    `${JSON.stringify({
      main: modules[0].name,
      modules: modules.map(({ name, type, content }) => ({ name, type, base64: base64Of(content) })),
      compatibilityDate,
      env: Object.fromEntries(
        entries.map(([name, value]) => [
          name,
          typeof value === 'string' ? { type: 'json', value } : { type: 'r2', name: value.bucket },
        ]),
      ),
      objects,
    })}\n`,
  );
  const url = await new Promise<string>((resolve, reject) => {
    let written = '';
    child.stdout.on('data', (data: Buffer) => {
      written += data.toString();
      const found = /\{"url":"([^"]+)"\}/.exec(written);
      if (found) resolve(found[1]);
      output += data.toString();
    });
    void exit.then((code) => reject(new Error(`Miniflare ended with ${code}: ${output}`)));
  });
  return {
    url,
    log: () => output,
    async stop() {
      child.stdin.end();
      await exit;
    },
  };
}
