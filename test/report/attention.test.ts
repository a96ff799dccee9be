/** Attention of the last block and attention rollout: by hand, and as PyTorch and transformers have it (fixtures/). */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Batch } from '../../cli/data/samples.ts';
import { bytes, type Engine, floats, integers } from '../../cli/engines/engine.ts';
import type { VitConfig } from '../../cli/models/vit.ts';
import { saveTensors } from '../../cli/pretrained/tensor-file.ts';
import { type Look, lookOf, looksOf, readBy } from '../../cli/report/attention.ts';
import { loadTrainedModel } from '../../cli/train/trained-model.ts';
import { expectClose } from '../support/compare.ts';
import { onnxEngine } from '../support/engines.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { tinyTokenizer } from '../support/tiny-tokenizer.ts';
import { tinyConfig } from '../support/tiny-vit.ts';

describe('lookOf', () => {
  // Two blocks of three tokens. Ã₁ = (A₁ + I)/2, Ã₂ = (A₂ + I)/2, and the first row of Ã₂·Ã₁:
  //   Ã₁ = [.75 .25 0; .25 .5 .25; 0 .5 .5], Ã₂ = [.6 .2 .2; 0 1 0; .5 0 .5]
  //   .6·(.75 .25 0) + .2·(.25 .5 .25) + .2·(0 .5 .5) = (.5 .35 .15)
  const first = Float32Array.of(0.5, 0.5, 0, 0.5, 0, 0.5, 0, 1, 0);
  const second = Float32Array.of(0.2, 0.4, 0.4, 0, 1, 0, 1, 0, 0);

  it('is what the first token takes, of one block and of all', () => {
    const { last, rollout } = lookOf([first, second], Float64Array.of(1, 0, 0));
    expectClose(last, [0.2, 0.4, 0.4], 1e-6, 'last');
    expectClose(rollout, [0.5, 0.35, 0.15], 1e-6, 'rollout');
  });

  it('is a mean where the head reads a mean', () => {
    // The last block's rows 1 and 2, and their mean's way through Ã₂ and Ã₁: (.25 .5 .25)·Ã₁ = (.3125 .4375 .25).
    const { last, rollout } = lookOf([first, second], Float64Array.of(0, 0.5, 0.5));
    expectClose(last, [0.5, 0.5, 0], 1e-6, 'last');
    expectClose(rollout, [0.3125, 0.4375, 0.25], 1e-6, 'rollout');
  });
});

it('reads the class token, or the mean of what follows it', () => {
  const clip: VitConfig = { ...tinyConfig, variant: 'clip' };
  const siglip: VitConfig = { ...tinyConfig, variant: 'siglip' };
  expect([...readBy(tinyConfig, 7)]).toEqual([1, 0, 0, 0, 0, 0, 0]);
  expect([...readBy(clip, 5)]).toEqual([0, 0.25, 0.25, 0.25, 0.25]);
  expect([...readBy(siglip, 4)]).toEqual([0.25, 0.25, 0.25, 0.25]);
});

type Oracle = Readonly<Record<'bert' | 'vit', Readonly<Record<'last' | 'rollout', number[]>>>>;
interface Model {
  readonly config: object;
  readonly tensors: Readonly<Record<string, number[]>>;
}
const read = (path: string): unknown => JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'));
const oracle = read('fixtures/attentions.json') as Oracle;
const models = read('../pretrained/fixtures/encoders.json') as Readonly<Record<'bert' | 'vit', Model>>;

describe('looksOf', () => {
  const root = temporaryFolder();
  /** Each model's, made once. */
  const looks: { vit?: Promise<Look>; bert?: Promise<Look> } = {};
  let engine: Engine;
  beforeAll(async () => {
    engine = await onnxEngine();
  });
  afterAll(() => engine.dispose());

  /** The formula of make_fixtures.py. */
  function weight(name: string, shape: readonly number[]): Float32Array {
    const start = [...name].reduce((sum, letter) => sum + letter.charCodeAt(0), 0);
    return Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => 0.3 * Math.sin(start + 0.37 * i));
  }

  /** The model in a folder as transformers writes it, with these files beside it, and its look at a batch of one. */
  async function lookAt(name: 'bert' | 'vit', files: Readonly<Record<string, object>>, batch: Batch): Promise<Look> {
    const folder = join(root, name);
    mkdirSync(folder);
    const tensors = Object.entries(models[name].tensors);
    await saveTensors(
      join(folder, 'model.safetensors'),
      tensors.map(([tensor, shape]) => [tensor, { shape, data: weight(tensor, shape) }]),
    );
    for (const [file, json] of Object.entries({ 'config.json': models[name].config, ...files }))
      writeFileSync(join(folder, file), JSON.stringify(json));
    const [look] = await looksOf(engine, await loadTrainedModel(folder), [batch]);
    return look;
  }

  const known = { labels: Int32Array.of(0), isLabelled: true, size: 1, rows: [0] };

  it.each(['last', 'rollout'] as const)('of a ViT is that of transformers: %s', async (which) => {
    const pictures = Uint8Array.from({ length: 16 * 24 * 3 }, (_, i) => (37 * i) % 256);
    const preprocessor = {
      image_processor_type: 'ViTImageProcessor',
      size: { height: 16, width: 24 },
      image_mean: [0.5, 0.5, 0.5],
      image_std: [0.5, 0.5, 0.5],
      resample: 2,
    };
    looks.vit ??= lookAt(
      'vit',
      { 'preprocessor_config.json': preprocessor },
      {
        ...known,
        inputs: { pictures: bytes(pictures, [1, 16, 24, 3]) },
        tokens: null,
        sample: () => ({}),
      },
    );
    expectClose((await looks.vit)[which], oracle.vit[which], 1e-5, which);
  });

  it.each(['last', 'rollout'] as const)('of a BERT is that of transformers, padding left out: %s', async (which) => {
    const ids = Int32Array.from([0, 1, 2, 3, 4, 5].map((t) => ((7 * t) % 36) + 4).concat([0, 0, 0]));
    const types = Int32Array.from({ length: 9 }, (_, t) => Number(t > 4));
    const mask = Float32Array.from({ length: 9 }, (_, t) => Number(t < 6));
    const tokenizer = {
      'tokenizer.json': tinyTokenizer(40),
      'tokenizer_config.json': { tokenizer_class: 'PreTrainedTokenizerFast' },
    };
    looks.bert ??= lookAt('bert', tokenizer, {
      ...known,
      inputs: { ids: integers(ids, [1, 9]), types: integers(types, [1, 9]), mask: floats(mask, [1, 9]) },
      tokens: 9,
      sample: () => ({ ids: ids.subarray(0, 6) }),
    });
    expectClose((await looks.bert)[which], oracle.bert[which], 1e-5, which);
  });
});
