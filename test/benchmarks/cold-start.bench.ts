/** How long hosts take from their start to the first answer of a ViT-B at rank 32 (random weights). */
import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, expect, it } from 'vitest';
import { packVariant } from '../../cli/bench/slim-engine.ts';
import { lowRankVariant } from '../../cli/bench/variant.ts';
import { modelOf, ranksOf } from '../../cli/commands/bench-model.ts';
import { defaultImagePreprocess } from '../../runtime/preprocess/spec.ts';
import { lambdaAbsent, startLambda } from '../support/aws/lambda-runtime.ts';
import { projectFolder } from '../support/imports.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const STARTS = 10;
const folder = temporaryFolder();
let artifact: Uint8Array;

beforeAll(async () => {
  const flags = { model: 'vit-b16', classes: 10, rank: 32, seed: 0 };
  const model = await modelOf(flags as never);
  artifact = await packVariant(lowRankVariant(model, ranksOf(model, flags as never), 0), 'int8', defaultImagePreprocess({ height: 224, width: 224 }));
});

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const told = (values: readonly number[]): string => `median ${median(values).toFixed(0)} ms, ${Math.min(...values).toFixed(0)} to ${Math.max(...values).toFixed(0)}`;

it.skipIf(lambdaAbsent !== null)(`Lambda: INIT through the runtime client${lambdaAbsent === null ? '' : ` (skipped: ${lambdaAbsent})`}`, async () => {
  const code = join(folder, 'lambda');
  await mkdir(code);
  for (const name of await readdir(`${projectFolder}dist/lambda/code`)) await copyFile(`${projectFolder}dist/lambda/code/${name}`, join(code, name));
  await writeFile(join(code, 'model.slim'), artifact);
  const picture = await sharp({ create: { width: 224, height: 224, channels: 3, background: '#a04020' } }).png().toBuffer();
  const request = {
    version: '2.0', rawPath: '/v1/predict', rawQueryString: '', headers: { 'content-type': 'image/png' }, body: picture.toString('base64'), isBase64Encoded: true,
    requestContext: { domainName: 'slim.example', http: { method: 'POST', path: '/v1/predict', sourceIp: '127.0.0.1' } },
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
  console.log(`Lambda, ${artifact.length} bytes in the zip, ${STARTS} starts: INIT ${told(inits)}; then the first answer ${told(firsts)}`);
});
