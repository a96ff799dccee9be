/** Tiny checkpoints as other libraries write them, and what these answer. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { preparationOf } from '../../cli/train/preparation.ts';
import type { TrainedModel } from '../../cli/train/trained-model.ts';
import type { Inputs } from '../../runtime/engine/engine.ts';
import { prepareImage } from '../../runtime/preprocess/normalize.ts';
import type { Picture } from '../../runtime/preprocess/picture.ts';

/** What a library answers to whole inputs. */
export type Reference = { readonly logits: readonly (readonly number[])[] } & (
  | { readonly kind: 'image'; readonly pictures: readonly (readonly [width: number, height: number])[] }
  | { readonly kind: 'text'; readonly texts: readonly { readonly text: string; readonly pair: string | null }[] }
);

const FIXTURES = fileURLToPath(new URL('fixtures/', import.meta.url));
/** The folders of fixtures/, each a family or a way that one is written. */
export const FAMILIES = readdirSync(FIXTURES, { withFileTypes: true }).flatMap((entry) =>
  entry.isDirectory() ? [entry.name] : [],
);

/** One of `FAMILIES`. */
export function familyNamed(name: string): { readonly folder: string; readonly reference: Reference } {
  const folder = join(FIXTURES, name);
  return { folder, reference: JSON.parse(readFileSync(join(folder, 'reference.json'), 'utf8')) as Reference };
}

/** The bytes of `drawn` in fixtures/make_pictures.py. */
function drawn(width: number, height: number): Picture {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const [c, x, y] = [i % 3, Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
    return x * 7 + y * 13 + c * 29 + x * y * (c + 1);
  });
  return { width, height, data };
}

/** The inputs of a reference, as the model's own folder prepares them. */
export function inputsOf(reference: Reference, { preprocessing }: Pick<TrainedModel, 'preprocessing'>): Inputs[] {
  const preparation = preparationOf(preprocessing);
  if (reference.kind === 'image') {
    if (preparation.kind !== 'image') throw new Error('expected a model of pictures');
    return reference.pictures.map((size) => ({ pixels: prepareImage(drawn(...size), preparation.image) }));
  }
  if (preparation.kind !== 'text') throw new Error('expected a model of texts');
  return reference.texts.map(({ text, pair }): Inputs => {
    const { ids, types } = preparation.tokenizer.encode(text, pair, preparation.maxTokens);
    return preparation.types ? { ids, types } : { ids };
  });
}
