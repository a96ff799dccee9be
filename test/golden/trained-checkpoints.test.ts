/** Trained checkpoints through the real path, against what Hugging Face transformers and PyTorch make of them. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { batches } from '../../cli/data/batches.ts';
import { openPictures } from '../../cli/data/dataset.ts';
import { readPicture } from '../../cli/data/picture-source.ts';
import { bytes, type Engine, evaluate, floats, type HostTensor } from '../../cli/engines/engine.ts';
import { tensorsOf } from '../../cli/models/layers.ts';
import { denseParts } from '../../cli/pclora/linear.ts';
import { type Checkpoint, loadCheckpoint } from '../../cli/pretrained/checkpoint.ts';
import { imagePreprocessOf } from '../../cli/pretrained/preprocessing.ts';
import { batchInputs, normalizationOf } from '../../cli/train/batch-inputs.ts';
import { argmax } from '../../cli/train/scorer.ts';
import { prepareImage } from '../../runtime/preprocess/normalize.ts';
import type { ImagePreprocess } from '../../runtime/preprocess/spec.ts';
import { expectClose } from '../support/compare.ts';
import { onnxEngine } from '../support/engines.ts';
import { describeWith, shared } from '../support/shared.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await onnxEngine();
});
afterAll(() => engine.dispose());

const tensorFeeds = ({ model, tensors }: Checkpoint): Record<string, HostTensor> =>
  Object.fromEntries(tensorsOf(model.layers).map(({ name, shape }) => [name, floats(tensors.get(name)!, shape)]));

/** Logits and block outputs of a batch of pixels (B, 3, H, W), or of pictures in bytes (B, H, W, 3). */
function forward(
  checkpoint: Checkpoint,
  given: Float32Array | Uint8Array,
  batch: number,
): Promise<Record<string, HostTensor>> {
  const { model, preprocessing } = checkpoint;
  const [B, C, H, W] = model.batchInputs(batch).pixels.shape;
  const isBytes = given instanceof Uint8Array;
  const inputs = batchInputs(model, batch, isBytes ? normalizationOf(preprocessing) : undefined, {});
  const { logits, blocks } = model.forward(inputs, batch, denseParts(tensorsOf(model.layers)));
  const outputs = { logits, ...Object.fromEntries(blocks.map((block, i) => [`block.${i}`, block])) };
  const samples: Record<string, HostTensor> = isBytes
    ? { pictures: bytes(given, [B, H, W, C]) }
    : { pixels: floats(given, [B, C, H, W]) };
  return evaluate(engine, { outputs }, { ...tensorFeeds(checkpoint), ...samples });
}

/** The class token's row of each sample in a block's output (B·T, D). */
function classTokens({ data, shape: [rows, width] }: HostTensor, batch: number): number[][] {
  return Array.from({ length: batch }, (_, i) => [
    ...data.subarray((i * rows * width) / batch, (i * rows * width) / batch + width),
  ]);
}

const cifarModel = shared('models/vit-cifar10-128d');
const cifarData = shared('data/cifar10');
const cifarGolden = shared('golden/hf/vit-cifar10-128d-hf.json');
describeWith([cifarModel, cifarData, cifarGolden], 'a ViT trained on CIFAR-10', () => {
  it('gives the logits of the first 64 test pictures, prepared by the data pipeline', async () => {
    const golden = JSON.parse(readFileSync(cifarGolden.path(), 'utf8'));
    const { test } = await openPictures(cifarData.path(), { seed: 0 });
    const checkpoint = await loadCheckpoint(cifarModel.path(), { seed: 0 });
    expect(Array.from({ length: 64 }, (_, i) => test.label(i))).toEqual(golden.first64_labels);
    for await (const { pictures, size } of batches(
      { ...test, size: 64 },
      { spec: imagePreprocessOf(checkpoint.preprocessing), batchSize: 64, seed: 0 },
    )) {
      expect(size).toBe(64);
      const { logits } = await forward(checkpoint, pictures, 64);
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

const imagenetModel = shared('models/vit-tiny-imagenet');
const photographs = shared('data/ants-bees/val');
describeWith([imagenetModel, photographs], 'a ViT trained on ImageNet', () => {
  const spec: ImagePreprocess = {
    size: { height: 224, width: 224 },
    resize: { mode: 'shortest-edge', edge: 248 },
    resample: 'bicubic',
    rescaleFactor: 1 / 255,
    mean: [0.5, 0.5, 0.5],
    std: [0.5, 0.5, 0.5],
  };

  it.each(PHOTOGRAPHS)('sees what it should in $file', async ({ file, top5, first8, classToken }) => {
    const checkpoint = await loadCheckpoint(imagenetModel.path(), { seed: 0 });
    const pixels = prepareImage(await readPicture(photographs.path(file)), spec);
    const results = await forward(checkpoint, pixels, 1);
    const logits = results.logits.data as Float32Array;
    const order = [...logits.keys()].sort((a, b) => logits[b] - logits[a]).slice(0, 5);
    expect(order.map((index) => [index, checkpoint.config.labels[index]])).toEqual(
      top5.map(([index, label]) => [index, label]),
    );
    expect(argmax(logits)).toBe(top5[0][0]);
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
