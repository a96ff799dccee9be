/** Real checkpoints through the real path, against what Hugging Face transformers and PyTorch make of them. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { batches } from '../../cli/data/batches.ts';
import { openPictures } from '../../cli/data/dataset.ts';
import { readPicture } from '../../cli/data/picture-source.ts';
import { type Engine, evaluate, floats, type HostTensor, integers } from '../../cli/engines/engine.ts';
import { gradients } from '../../cli/graph/grad.ts';
import type { Node } from '../../cli/graph/graph.ts';
import { crossEntropy } from '../../cli/graph/ops/cross-entropy.ts';
import { input } from '../../cli/graph/ops/leaf.ts';
import { tensorsOf } from '../../cli/models/layers.ts';
import { denseParts } from '../../cli/pclora/linear.ts';
import { type Checkpoint, loadCheckpoint } from '../../cli/pretrained/checkpoint.ts';
import { imagePreprocessOf } from '../../cli/pretrained/preprocessing.ts';
import { argmax } from '../../cli/train/evaluate.ts';
import { prepareImage } from '../../runtime/preprocess/normalize.ts';
import type { ImagePreprocess } from '../../runtime/preprocess/spec.ts';
import { checkpointNames } from '../support/checkpoint-names.ts';
import { expectClose } from '../support/compare.ts';
import { onnxEngine } from '../support/engines.ts';
import { goldenFolder, present, sharedFolder } from '../support/shared.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await onnxEngine();
});
afterAll(() => engine.dispose());

const tensorNodes = ({ model }: Checkpoint): Map<string, Node> =>
  new Map(tensorsOf(model.layers).map(({ name, shape }) => [name, input(name, shape)]));
const tensorFeeds = ({ model, tensors }: Checkpoint): Record<string, HostTensor> =>
  Object.fromEntries(tensorsOf(model.layers).map(({ name, shape }) => [name, floats(tensors.get(name)!, shape)]));

/** Logits and block outputs of a batch of pixels (B, 3, H, W). */
function forward(checkpoint: Checkpoint, pixels: Float32Array, batch: number): Promise<Record<string, HostTensor>> {
  const { model } = checkpoint;
  const inputs = model.batchInputs(batch);
  const { logits, blocks } = model.forward(inputs, batch, denseParts(tensorsOf(model.layers)));
  const outputs = { logits, ...Object.fromEntries(blocks.map((block, i) => [`block.${i}`, block])) };
  return evaluate(engine, { outputs }, { ...tensorFeeds(checkpoint), pixels: floats(pixels, inputs.pixels.shape) });
}

/** The class token's row of each sample in a block's output (B·T, D). */
function classTokens({ data, shape: [rows, width] }: HostTensor, batch: number): number[][] {
  return Array.from({ length: batch }, (_, i) => [
    ...data.subarray((i * rows * width) / batch, (i * rows * width) / batch + width),
  ]);
}

const random = `${goldenFolder}/hf/vit-random-hf`;
describe.skipIf(!present(random))('a random ViT of transformers', () => {
  const BATCH = 3;
  // Read when a test runs: vitest walks this body also where the folder is absent.
  let reference: ReturnType<typeof JSON.parse>;
  let pixels: Float32Array;
  beforeAll(() => {
    reference = JSON.parse(readFileSync(`${random}/reference.json`, 'utf8'));
    pixels = Float32Array.from(reference.pixel_values.flat(3));
  });

  it('gives its logits and hidden states', async () => {
    const results = await forward(await loadCheckpoint(random, { seed: 0 }), pixels, BATCH);
    expectClose(results.logits.data, reference.logits.flat(), 1e-5, 'logits');
    // hidden_states[0] is the embedding, hidden_states[i + 1] block i's output.
    const [, ...blocks] = reference.hidden_states_token0;
    blocks.forEach((block: number[][], i: number) =>
      expectClose(classTokens(results[`block.${i}`], BATCH).flat(), block.flat(), 1e-5, `block ${i}`),
    );
  });

  it('gives its loss, and the gradient of every tensor', async () => {
    const checkpoint = await loadCheckpoint(random, { seed: 0 });
    const { model } = checkpoint;
    const tensors = tensorNodes(checkpoint);
    const { logits } = model.forward(model.batchInputs(BATCH), BATCH, denseParts(tensorsOf(model.layers), tensors));
    const loss = crossEntropy(logits, input('labels', [BATCH], 'i32'));
    const byTensor = gradients(loss, [...tensors.values()]);
    const outputs = { loss, ...Object.fromEntries([...tensors.keys()].map((name, i) => [name, byTensor[i]])) };
    const labels = integers(Int32Array.from(reference.labels), [BATCH]);
    const results = await evaluate(
      engine,
      { outputs },
      { ...tensorFeeds(checkpoint), pixels: floats(pixels, [BATCH, 3, 16, 16]), labels },
    );

    expectClose(results.loss.data, [reference.loss], 1e-6, 'loss');
    const theirs = checkpointNames(checkpoint);
    expect([...theirs.values()].sort()).toEqual(Object.keys(reference.grads).sort());
    for (const name of tensors.keys()) {
      const { norm, first4 } = reference.grads[theirs.get(name)!];
      const gradient = [...results[name].data];
      if (name.endsWith('.key.bias')) {
        // Softmax ignores what a key's bias adds to a row: the true gradient is 0, and both sides hold rounding.
        expect(norm).toBeLessThan(1e-6);
        expect(Math.hypot(...gradient), name).toBeLessThan(1e-6);
      } else {
        expectClose([Math.hypot(...gradient)], [norm], 1e-5, `norm of ${name}'s gradient`);
        // To the largest entry that a gradient of this norm is sure to have.
        const typical = norm / Math.sqrt(gradient.length);
        expectClose(
          gradient.slice(0, 4).map((g) => g / typical),
          first4.map((g: number) => g / typical),
          1e-4,
          `${name}'s gradient`,
        );
      }
    }
  });
});

const cifarModel = `${sharedFolder}/models/vit-cifar10-128d`;
const cifarData = `${sharedFolder}/data/cifar10`;
const cifarGolden = `${goldenFolder}/hf/vit-cifar10-128d-hf.json`;
describe.skipIf(![cifarModel, cifarData, cifarGolden].every(present))('a ViT trained on CIFAR-10', () => {
  it('gives the logits of the first 64 test pictures, prepared by the data pipeline', async () => {
    const golden = JSON.parse(readFileSync(cifarGolden, 'utf8'));
    const { test } = await openPictures(cifarData, { seed: 0 });
    const checkpoint = await loadCheckpoint(cifarModel, { seed: 0 });
    expect(Array.from({ length: 64 }, (_, i) => test.label(i))).toEqual(golden.first64_labels);
    for await (const { pixels, size } of batches(
      { ...test, size: 64 },
      { spec: imagePreprocessOf(checkpoint.preprocessing), batchSize: 64, seed: 0 },
    )) {
      expect(size).toBe(64);
      const { logits } = await forward(checkpoint, pixels, 64);
      golden.first64_logits.forEach((expected: number[], i: number) =>
        expectClose(logits.data.slice(10 * i, 10 * i + 10), expected, 1e-4, `picture ${i}`),
      );
    }
  });
});

/**
 * Made with Pillow 12.3.0 and PyTorch 2.13.0, from photographs of data/ants-bees/val:
 *   image = ImageOps.exif_transpose(Image.open(path)).convert('RGB')       # then the shorter side to 248, the longer
 * one rounded down
 *   image.resize((W, H), Image.BICUBIC).crop((l, t, l + 224, t + 224))     # l = (W - 224) // 2, t = (H - 224) // 2
 *   logits, blocks = Model('vit', config, weights).forward({'pixel_values': (pixels / 255 - 0.5) / 0.5})      #
 * make_golden.py's Model
 *   logits.topk(5), logits[:8], blocks[0][0, :8]
 */
interface Photograph {
  readonly file: string;
  /** Class, its name, its logit. */
  readonly top5: readonly (readonly [number, string, number])[];
  readonly first8: readonly number[];
  readonly classToken: readonly number[];
}
const PHOTOGRAPHS: readonly Photograph[] = [
  {
    file: 'ants/10308379_1b6c72e180.jpg',
    top5: [
      [310, 'ant', 10.1024],
      [599, 'honeycomb', 8.4329],
      [410, 'apiary', 7.5873],
      [973, 'coral reef', 7.4086],
      [733, 'pole', 6.8133],
    ],
    first8: [-0.10617, 0.42706, -1.61199, 0.55965, 0.37698, 2.9742, 1.13187, -2.62335],
    classToken: [0.38173, -0.15317, 0.49349, -0.06661, -0.48175, -0.02407, -0.3477, 1.54629],
  },
  {
    file: 'ants/1053149811_f62a3410d3.jpg',
    top5: [
      [310, 'ant', 12.4093],
      [312, 'cricket', 11.9616],
      [309, 'bee', 11.573],
      [599, 'honeycomb', 11.2075],
      [311, 'grasshopper', 9.2977],
    ],
    first8: [-2.23013, -0.35225, -1.13372, -2.2124, -2.14881, 1.56686, -3.43559, 0.20369],
    classToken: [0.35893, -0.17472, 0.60818, -0.06198, -0.48086, -0.11858, -0.26715, 1.53747],
  },
  {
    file: 'bees/1032546534_06907fe3b3.jpg',
    top5: [
      [309, 'bee', 13.9665],
      [599, 'honeycomb', 13.8314],
      [996, 'hen-of-the-woods', 11.9917],
      [410, 'apiary', 11.1357],
      [308, 'fly', 9.202],
    ],
    first8: [1.14809, 4.30235, -2.40265, -1.90132, -1.36063, 2.91433, 0.49046, 2.31305],
    classToken: [0.37369, -0.14647, 0.51411, -0.0936, -0.48247, -0.02391, -0.34737, 1.50861],
  },
  {
    file: 'bees/10870992_eebeeb3a12.jpg',
    top5: [
      [309, 'bee', 13.3989],
      [310, 'ant', 11.8932],
      [308, 'fly', 10.6175],
      [994, 'stinkhorn', 10.3528],
      [325, 'sulphur butterfly', 9.9572],
    ],
    first8: [-3.33749, 1.78462, -3.61093, -5.78998, -5.75377, -0.4534, -1.20285, 1.15215],
    classToken: [0.41195, -0.16495, 0.58571, -0.10126, -0.45933, -0.04736, -0.25685, 1.56961],
  },
];

const imagenetModel = `${sharedFolder}/models/vit-tiny-imagenet`;
const photographs = `${sharedFolder}/data/ants-bees/val`;
describe.skipIf(![imagenetModel, photographs].every(present))('a ViT trained on ImageNet', () => {
  const spec: ImagePreprocess = {
    size: { height: 224, width: 224 },
    resize: { mode: 'shortest-edge', edge: 248 },
    resample: 'bicubic',
    rescaleFactor: 1 / 255,
    mean: [0.5, 0.5, 0.5],
    std: [0.5, 0.5, 0.5],
  };

  it.each(PHOTOGRAPHS)('sees what it should in $file', async ({ file, top5, first8, classToken }) => {
    const checkpoint = await loadCheckpoint(imagenetModel, { seed: 0 });
    const pixels = prepareImage(await readPicture(`${photographs}/${file}`), spec);
    const results = await forward(checkpoint, pixels, 1);
    const logits = results.logits.data as Float32Array;
    const order = [...logits.keys()].sort((a, b) => logits[b] - logits[a]).slice(0, 5);
    expect(order.map((index) => [index, checkpoint.config.labels[index]])).toEqual(
      top5.map(([index, label]) => [index, label]),
    );
    expect(argmax(logits, 0, logits.length)).toBe(top5[0][0]);
    // Decoded to the same bytes and resized to the same bytes (test/preprocess), so what is left is float32's rounding.
    expectClose(
      [...order.map((index) => logits[index]), ...logits.slice(0, 8)],
      [...top5.map(([, , logit]) => logit), ...first8],
      1e-5,
      'logits',
    );
    expectClose(classTokens(results['block.0'], 1)[0].slice(0, 8), classToken, 1e-5, 'class token after block 0');
  });
});
