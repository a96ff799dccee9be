/** The edge bundle on the host that it is for: what workerd answers over HTTP is what the engine computes here. */
import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { pack } from '../../cli/compress/pack.ts';
import { quantizeTensors } from '../../cli/compress/quantize.ts';
import { storedTensors } from '../../cli/compress/stored-tensors.ts';
import { readArtifact } from '../../runtime/artifact/artifact.ts';
import { createEngine } from '../../runtime/engine/engine.ts';
import { topPredictions } from '../../runtime/http/inference.ts';
import { prepareImage } from '../../runtime/preprocess/normalize.ts';
import { readImagePreprocess } from '../../runtime/preprocess/spec.ts';
import { description, preprocessing, smallVit } from '../compress/small-vit.ts';
import { kernelsModule } from '../runtime/kernels-module.ts';
import { projectFolder } from '../support/imports.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { buildPrograms } from './hosts/build-programs.ts';
import { startWorker, workerd } from './hosts/workerd.ts';

const pixels = Uint8Array.from({ length: 12 * 20 * 3 }, (_, i) => (i * 37) % 256);
const folder = temporaryFolder();

it.skipIf(workerd.absent !== null)(
  `workerd serves the edge bundle${workerd.absent === null ? '' : ` (skipped: ${workerd.absent})`}`,
  async () => {
    const { logits, values } = smallVit('low-rank');
    const artifact = await pack(logits, quantizeTensors(storedTensors(logits, values), logits), {
      ...description,
      preprocessing,
    });
    await writeFile(join(folder, 'small.slim'), artifact);
    await copyFile(`${projectFolder}dist/edge.mjs`, join(folder, 'edge.mjs'));
    await buildPrograms(folder);
    const { url, stop } = await startWorker(folder, ['edge-app.mjs', 'edge.mjs', 'simd128.wasm', 'small.slim']);
    onTestFinished(stop);

    expect(await (await fetch(`${url}/v1/model`)).json()).toMatchObject({
      labels: description.labels,
      bytes: artifact.length,
    });
    const input = prepareImage({ height: 12, width: 20, data: pixels }, readImagePreprocess(preprocessing));
    const expected = topPredictions(
      createEngine(await readArtifact(artifact), await kernelsModule()).infer({ pixels: input }),
      description,
      5,
    );
    const response = await fetch(`${url}/v1/predict`, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream' },
      body: pixels,
    });
    // Two versions of V8 may differ in the last bit of Math.exp.
    const predictions = expected.map(({ label, score }) => ({ label, score: expect.closeTo(score, 14) as number }));
    expect(await response.json()).toEqual({ predictions, latencyMs: expect.any(Number) });
    expect((await fetch(`${url}/v1/predict`)).status).toBe(405);
  },
);
