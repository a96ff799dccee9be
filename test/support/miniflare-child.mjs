// Runs a worker in workerd, by Miniflare, which needs Node 22: a process of its own. Its options are JSON on stdin, a
// line; it ends when stdin does. Writes {"url"} to stdout, and what the worker logs to stderr.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const require = createRequire(new URL('../hosts/package.json', import.meta.url));
const { Miniflare } = require('miniflare');
const bytesOf = (base64) => new Uint8Array(Buffer.from(base64, 'base64'));

const lines = createInterface({ input: process.stdin });
const [line] = await new Promise((resolve) => lines.once('line', (text) => resolve([text])));
const { main, modules, compatibilityDate, env, objects } = JSON.parse(line);

const miniflare = new Miniflare({
  cf: false,
  host: '127.0.0.1',
  port: 0,
  workers: [
    {
      config: {
        name: 'worker',
        compatibilityDate,
        env,
        manifest: {
          mainModule: main,
          modulesRoot: '/',
          modules: Object.fromEntries(
            modules.map(({ name, type, base64 }) => [
              name,
              {
                type,
                contents:
                  type === 'wasm' || type === 'data' ? bytesOf(base64) : Buffer.from(base64, 'base64').toString(),
              },
            ]),
          ),
        },
      },
    },
  ],
});
for (const { binding, key, base64 } of objects) await (await miniflare.getR2Bucket(binding)).put(key, bytesOf(base64));
const url = await miniflare.ready;
process.stdout.write(`${JSON.stringify({ url: url.origin })}\n`);
lines.once('close', async () => {
  await miniflare.dispose();
  process.exit(0);
});
