/** How long hosts take from their start to the first answer of a ViT-B at rank 32 (random weights). */
import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, expect, it } from 'vitest';
import { packVariant } from '../../cli/bench/slim-engine.ts';
import { lowRankVariant } from '../../cli/bench/variant.ts';
import { modelOf, ranksOf } from '../../cli/commands/bench-model.ts';
import { cloudflareProject } from '../../cli/deploy/cloudflare/project.ts';
import { defaultImagePreprocess } from '../../runtime/preprocess/spec.ts';
import { startWorker, workerd } from '../contract/hosts/workerd.ts';
import { lambdaAbsent, startLambda } from '../support/aws/lambda-runtime.ts';
import { projectFolder } from '../support/imports.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const STARTS = 10;
const folder = temporaryFolder();
let artifact: Uint8Array;

beforeAll(async () => {
  const flags = { model: 'vit-b16', classes: 10, rank: 32, seed: 0 };
  const model = await modelOf(flags as never);
  artifact = await packVariant(
    lowRankVariant(model, ranksOf(model, flags as never), 0),
    'int8',
    defaultImagePreprocess({ height: 224, width: 224 }),
  );
});

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const told = (values: readonly number[]): string =>
  `median ${median(values).toFixed(0)} ms, ${Math.min(...values).toFixed(0)} to ${Math.max(...values).toFixed(0)}`;

/** A picture of the network's size. */
const picture = (): Promise<Buffer> =>
  sharp({ create: { width: 224, height: 224, channels: 3, background: '#a04020' } })
    .png()
    .toBuffer();

it.skipIf(lambdaAbsent !== null)(
  `Lambda: INIT through the runtime client${lambdaAbsent === null ? '' : ` (skipped: ${lambdaAbsent})`}`,
  async () => {
    const code = join(folder, 'lambda');
    await mkdir(code);
    for (const name of await readdir(`${projectFolder}dist/lambda/code`))
      await copyFile(`${projectFolder}dist/lambda/code/${name}`, join(code, name));
    await writeFile(join(code, 'model.slim'), artifact);
    const request = {
      version: '2.0',
      rawPath: '/v1/predict',
      rawQueryString: '',
      headers: { 'content-type': 'image/png' },
      body: (await picture()).toString('base64'),
      isBase64Encoded: true,
      requestContext: {
        domainName: 'slim.example',
        http: { method: 'POST', path: '/v1/predict', sourceIp: '127.0.0.1' },
      },
    };
    const inits: number[] = [];
    const firsts: number[] = [];
    for (let i = 0; i < STARTS; i++) {
      const lambda = await startLambda({ folder: code, memory: 1769 });
      const asked = performance.now();
      const { payload } = await lambda.invoke(request);
      firsts.push(performance.now() - asked);
      expect(JSON.parse(payload)).toMatchObject({ statusCode: 200 });
      inits.push(lambda.initMs!);
      await lambda.close();
    }
    console.log(
      `Lambda, ${artifact.length} bytes in the zip, ${STARTS} starts: INIT ${told(inits)}; ` +
        `then the first answer ${told(firsts)}`,
    );
  },
);

it.skipIf(workerd.absent !== null)(
  `workerd: the first answer${workerd.absent === null ? '' : ` (skipped: ${workerd.absent})`}`,
  async () => {
    const file = join(folder, 'vit-b16.slim');
    await writeFile(file, artifact);
    const { files } = await cloudflareProject(file, { name: 'cold', access: {} });
    const modules = Object.keys(files)
      .filter((name) => /\.(mjs|wasm|html|slim)$/.test(name))
      .sort((a, b) => Number(b === 'worker.mjs') - Number(a === 'worker.mjs'));
    const project = join(folder, 'worker');
    await mkdir(project);
    for (const name of modules) await writeFile(join(project, name), files[name]);
    const body = new Uint8Array(await picture());
    const [starts, firsts, seconds]: number[][] = [[], [], []];
    for (let i = 0; i < STARTS; i++) {
      const spawned = performance.now();
      const worker = await startWorker(project, modules);
      const listening = performance.now();
      const ask = async (): Promise<number> => {
        const response = await fetch(`${worker.url}/v1/predict`, {
          method: 'POST',
          headers: { 'content-type': 'image/png' },
          body,
        });
        expect(await response.json()).toMatchObject({ predictions: expect.any(Array) as unknown[] });
        return performance.now();
      };
      const answered = await ask();
      const again = await ask();
      starts.push(listening - spawned);
      firsts.push(answered - listening);
      seconds.push(again - answered);
      worker.stop();
    }
    console.log(
      `workerd, ${artifact.length} bytes as a module, ${STARTS} starts: listens ${told(starts)}; ` +
        `then the first answer ${told(firsts)}; the second ${told(seconds)}`,
    );
  },
);
