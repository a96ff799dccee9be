/**
 * One list of requests and answers, every host that slim deploys to: what clients see does not depend on where a model
 * is served.
 */
import { readFile } from 'node:fs/promises';
import { InferenceClient } from '@huggingface/inference';
import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Artifact, readArtifact } from '../../runtime/artifact/artifact.ts';
import { createEngine, type Engine } from '../../runtime/engine/engine.ts';
import { prepareImage } from '../../runtime/preprocess/normalize.ts';
import { readImagePreprocess } from '../../runtime/preprocess/spec.ts';
import { writePictureArtifact, writeTextArtifact } from '../deploy/artifacts.ts';
import { kernelsModule } from '../runtime/kernels-module.ts';
import { SMALL_TOKENS } from '../runtime/text/small-tokenizer.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { skipNote } from './hosts/installed.ts';
import { runCase } from './http/case.ts';
import { predictionsOf } from './http/expected.ts';
import type { RunningHost } from './http/host.ts';
import { HTTP_HOSTS } from './http/hosts.ts';
import { PICTURE_SETTINGS, pictureCases } from './http/picture-cases.ts';
import { makePictures } from './http/pictures.ts';
import { FILM, TEXT_SETTINGS, textCases } from './http/text-cases.ts';

const folder = temporaryFolder();
const kernels = await kernelsModule();

async function load(path: string): Promise<{ path: string; artifact: Artifact; engine: Engine }> {
  const artifact = await readArtifact(await readFile(path));
  return { path, artifact, engine: createEngine(artifact, kernels) };
}

const [pictureModel, textModel] = await Promise.all([
  writePictureArtifact(folder).then(load),
  writeTextArtifact(folder).then(load),
]);
const pictures = await makePictures();
const SUITES = [
  {
    task: 'pictures',
    model: pictureModel,
    settings: PICTURE_SETTINGS,
    cases: pictureCases(pictureModel.artifact, pictureModel.engine, pictures),
  },
  { task: 'texts', model: textModel, settings: TEXT_SETTINGS, cases: textCases(textModel.artifact, textModel.engine) },
] as const;

describe.each(HTTP_HOSTS)('$name', ({ name: host, absent, start }) => {
  describe.skipIf(absent !== null).each(SUITES)(
    `answers about $task${skipNote(absent)}`,
    ({ task, model, settings, cases }) => {
      let running: RunningHost;

      beforeAll(async () => {
        running = await start(model.path, settings);
      }, 120_000);
      afterAll(() => running?.stop());

      it.each(cases.map((one) => ({ ...one, difference: one.differs?.[host] })))(
        '$name',
        async ({ difference, ...one }) => {
          await runCase(running.url, difference === undefined ? one : { ...one, expected: difference.expected });
        },
      );

      it('with an OpenAPI description that is valid', async () => {
        const description = (await (await fetch(`${running.url}/openapi.json`)).json()) as Record<string, unknown>;
        expect(await new Validator().validate(description)).toMatchObject({ valid: true });
      });

      it('several at once, each with its own answer', async () => {
        // Fewer predictions than may be pending.
        await Promise.all(
          cases
            .filter(
              ({ path, expected, differs }) => path === '/v1/predict' && expected.status === 200 && !differs?.[host],
            )
            .map((one) => runCase(running.url, one)),
        );
      });

      it("to Hugging Face's own client", async () => {
        const client = new InferenceClient('token' in settings ? settings.token : undefined);
        if (task === 'pictures') {
          const { bytes, picture } = pictures.good.jpeg;
          const answered = await client.imageClassification({
            endpointUrl: running.url,
            data: new Blob([bytes], { type: 'image/jpeg' }),
          });
          expect(answered).toEqual(
            predictionsOf(model.artifact, model.engine, {
              pixels: prepareImage(picture, readImagePreprocess(model.artifact.manifest.preprocessing)),
            }),
          );
          expect(
            await client.imageClassification({ endpointUrl: running.url, data: new Blob([bytes]) }),
            'without a type',
          ).toEqual(answered);
          await expect(
            client.imageClassification({ endpointUrl: running.url, data: new Blob([pictures.odd.gif]) }),
          ).rejects.toThrow('Failed to perform inference: not a picture of a known format');
        } else {
          const ids = Int32Array.from(FILM.tokens, (token) => SMALL_TOKENS.indexOf(token));
          const answered = await client.textClassification({ endpointUrl: running.url, inputs: FILM.text });
          expect(answered).toEqual(predictionsOf(model.artifact, model.engine, { ids, types: ids.map(() => 0) }));
          await expect(
            client.textClassification({ endpointUrl: running.url, inputs: 7 as unknown as string }),
          ).rejects.toThrow('Failed to perform inference: inputs: expected a string, got 7');
        }
      });
    },
  );
});
