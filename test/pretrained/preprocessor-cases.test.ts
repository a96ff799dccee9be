/** A model beside preprocessor files of many kinds and ages, against what transformers answers with them. */
import { cpSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { readPicture } from '../../cli/data/picture-source.ts';
import type { UserError } from '../../cli/io/errors.ts';
import { packTrained } from '../../cli/train/pack-trained.ts';
import { preparationOf } from '../../cli/train/preparation.ts';
import { loadTrainedModel } from '../../cli/train/trained-model.ts';
import { readArtifact } from '../../runtime/artifact/artifact.ts';
import { createEngine, type Engine } from '../../runtime/engine/engine.ts';
import { prepareImage } from '../../runtime/preprocess/normalize.ts';
import { kernelsModule } from '../runtime/kernels-module.ts';
import { softmaxOf } from '../support/reference.ts';
import { itWith, shared } from '../support/shared.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

/** The five likeliest classes of a picture. */
type Row = readonly (readonly [label: number, probability: number])[];

/** A `Row` or what transformers throws, by picture; or what it throws for all. */
interface Expected extends Readonly<Record<string, unknown>> {
  readonly refused?: string;
}

const TOLERANCE = 2e-3;

describe('preprocessor files', () => {
  const [cases, pictures] = [shared('cases/preproc'), shared('cases/odd-pictures')];
  const model = shared('models/vit-tiny-imagenet');
  const scratch = temporaryFolder();
  let engine: Engine;

  /** The model's probabilities for each picture, or the message of the refusal. */
  async function answers(name: string, files: readonly string[]): Promise<(readonly number[])[] | string> {
    const folder = join(scratch, name);
    cpSync(model.path('config.json'), join(folder, 'config.json'));
    cpSync(cases.path(name), folder, { recursive: true });
    cpSync(model.path('model.safetensors'), join(folder, 'model.safetensors'));
    try {
      const trained = await loadTrainedModel(folder);
      const preparation = preparationOf(trained.preprocessing);
      if (preparation.kind !== 'image') throw new Error('expected a model of pictures');
      engine ??= createEngine(await readArtifact(await packTrained(trained)), await kernelsModule());
      const all: number[][] = [];
      for (const file of files) {
        const pixels = prepareImage(await readPicture(cases.path(file)), preparation.image);
        all.push(softmaxOf([...engine.infer({ pixels })]));
      }
      return all;
    } catch (error) {
      return (error as UserError).message;
    }
  }

  itWith([cases, pictures, model], 'are read as transformers reads them, or refused as it refuses them', async () => {
    const expected = JSON.parse(readFileSync(cases.path('expected.json'), 'utf8')) as Record<string, Expected>;
    const names = readdirSync(cases.path(), { withFileTypes: true }).flatMap((e) => (e.isDirectory() ? [e.name] : []));
    expect(names).not.toEqual([]);
    for (const name of names) {
      const { processor: _, refused, ...byPicture } = expected[name];
      const got = await answers(name, Object.keys(byPicture));
      if (refused !== undefined || Object.values(byPicture).some((row) => 'refused' in (row as object)))
        expect(got, name).toMatch(/has no preprocessor_config.json|the model takes 224×224/);
      else
        for (const [i, row] of (Object.values(byPicture) as Row[]).entries())
          for (const [label, probability] of row)
            expect(Math.abs((got as number[][])[i][label] - probability), name).toBeLessThan(TOLERANCE);
    }
  });
});
