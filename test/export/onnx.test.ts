/**
 * ONNX files on onnxruntime: the logits of transformers for every family, those of the WebAssembly runtime for what was
 * compressed; one by one and together, whatever the lengths.
 */
import { describe, expect, it } from 'vitest';
import { Model } from '../../cli/engines/onnx/schema.ts';
import { expectOnnxRoom, onnxBytes } from '../../cli/export/onnx.ts';
import { packTrained, quantize } from '../../cli/train/pack-trained.ts';
import { loadTrainedModel, type TrainedModel } from '../../cli/train/trained-model.ts';
import { readArtifact } from '../../runtime/artifact/artifact.ts';
import { createEngine, type Inputs } from '../../runtime/engine/engine.ts';
import { random } from '../../runtime/random.ts';
import { FAMILIES, familyNamed, inputsOf } from '../families/references.ts';
import { kernelsModule } from '../runtime/kernels-module.ts';
import { compressedBert, compressedVit } from '../support/compressed.ts';
import { openOnnx } from '../support/onnx-file.ts';
import { tinyBertConfig } from '../support/tiny-bert.ts';

const F32 = { weights: 'f32', alone: false } as const;
const INT8 = { weights: 'int8', alone: false } as const;

function pictureShape({ model }: TrainedModel): readonly number[] {
  return model.batchInputs(1).pixels?.shape.slice(1) ?? [];
}

/** Logits of samples asked together, and of each by itself. */
async function answersOf(trained: TrainedModel, inputs: readonly Inputs[], options: typeof F32 | typeof INT8) {
  const file = await openOnnx(onnxBytes(trained, options), pictureShape(trained));
  const together = await file.ask(inputs);
  const alone: number[][] = [];
  for (const one of inputs) alone.push(...(await file.ask([one])));
  await file.close();
  return { together, alone };
}

function expectNear(got: readonly (readonly number[])[], expected: readonly (readonly number[])[], tolerance: number) {
  expect(got.map(({ length }) => length)).toEqual(expected.map(({ length }) => length));
  const worst = Math.max(...got.flatMap((row, i) => row.map((value, k) => Math.abs(value - expected[i][k]))));
  expect(worst).toBeLessThanOrEqual(tolerance);
}

async function onRuntime(trained: TrainedModel, inputs: readonly Inputs[]): Promise<number[][]> {
  const engine = createEngine(await readArtifact(await packTrained(trained)), await kernelsModule());
  return inputs.map((one) => [...engine.infer(one)]);
}

describe.each(FAMILIES)('%s', (name) => {
  it('gives the logits of its library', async () => {
    const { folder, reference } = familyNamed(name);
    const trained = await loadTrainedModel(folder);
    const { together, alone } = await answersOf(trained, inputsOf(reference, trained), F32);
    expectNear(together, reference.logits, 1e-4);
    expectNear(alone, reference.logits, 1e-4);
  });
});

const pictures: Inputs[] = [1, 2, 3].map((seed) => {
  const source = random(seed);
  return { pixels: Float32Array.from({ length: 3 * 8 * 12 }, () => source.normal()) };
});
const texts: Inputs[] = [5, 1, 3].map((length) => {
  const source = random(length);
  return {
    ids: Int32Array.from({ length }, () => source.below(tinyBertConfig.vocabSize)),
    types: Int32Array.from({ length }, (_, i) => Number(i > 1)),
  };
});

describe.each<[string, TrainedModel, readonly Inputs[]]>([
  ['a ViT whose attention is absorbed', compressedVit(3), pictures],
  ['a ViT of ranks above its heads', compressedVit(5), pictures],
  ['a ViT with shared A', compressedVit(3, { qkv: 2 }), pictures],
  ['a BERT whose attention is absorbed', compressedBert(3), texts],
  ['a BERT with shared A and a factored word table', compressedBert(5, { qkv: 3, 'embedding.word': 4 }), texts],
])('%s', (_, trained, inputs) => {
  it('gives the logits of the runtime', async () => {
    const expected = await onRuntime(trained, inputs);
    const { together, alone } = await answersOf(trained, inputs, F32);
    expectNear(together, expected, 1e-4);
    expectNear(alone, expected, 1e-4);
  });

  it.each(['int8', 'int4'] as const)('holds the values of an %s run as they are, in int8', async (weights) => {
    const quantized = quantize(trained, weights);
    const { together: expected } = await answersOf(quantized, inputs, F32);
    const { together, alone } = await answersOf(quantized, inputs, INT8);
    expectNear(together, expected, 1e-5);
    expectNear(alone, expected, 1e-5);
    // The runtime rounds the rows that meet these weights, too.
    expectNear(together, await onRuntime(quantized, inputs), 0.1);
  });
});

it('is refused where it would be larger than protobuf allows', () => {
  expect(() => expectOnnxRoom(2 ** 31 - 1, 'f32')).not.toThrow();
  expect(() => expectOnnxRoom(2 ** 31, 'f32')).toThrow(
    "an ONNX file holds at most 2 GB (protobuf's limit), these weights are 2.15 GB",
  );
});

describe('what a file says', () => {
  /** Of protobufjs, numbers of 64 bits as numbers. */
  const read = (bytes: Uint8Array) =>
    Model.toObject(Model.decode(bytes), { longs: Number }) as {
      readonly irVersion: number;
      readonly opsetImport: readonly { readonly version: number }[];
      readonly metadataProps: readonly { readonly key: string; readonly value: string }[];
      readonly graph: Readonly<Record<'input' | 'output', readonly ValueInfo[]>> & {
        readonly node: readonly { readonly domain?: string }[];
        readonly initializer: readonly { readonly name: string; readonly dims: readonly number[]; dataType: number }[];
      };
    };
  interface ValueInfo {
    readonly name: string;
    readonly type: {
      readonly tensorType: {
        readonly elemType: number;
        readonly shape: { readonly dim: readonly { readonly dimValue?: number; readonly dimParam?: string }[] };
      };
    };
  }
  const told = ({ name, type: { tensorType } }: ValueInfo) => [
    name,
    tensorType.elemType,
    ...tensorType.shape.dim.map(({ dimValue, dimParam }) => dimParam ?? dimValue),
  ];

  it("are optimum's names and axes, and operators of ONNX's own set only", () => {
    const { graph, opsetImport, irVersion } = read(onnxBytes(compressedBert(3), F32));
    const [FLOAT, INT64] = [1, 7];
    expect(graph.input.map(told).sort()).toEqual([
      ['attention_mask', INT64, 'batch_size', 'sequence_length'],
      ['input_ids', INT64, 'batch_size', 'sequence_length'],
      ['token_type_ids', INT64, 'batch_size', 'sequence_length'],
    ]);
    expect(graph.output.map(told)).toEqual([['logits', FLOAT, 'batch_size', 3]]);
    expect([irVersion, opsetImport]).toEqual([8, [{ version: 17 }]]);
    expect(new Set(graph.node.map(({ domain }) => domain || 'ai.onnx'))).toEqual(new Set(['ai.onnx']));
    expect(read(onnxBytes(compressedVit(3), F32)).graph.input.map(told)).toEqual([
      ['pixel_values', FLOAT, 'batch_size', 3, 8, 12],
    ]);
  });

  it('are labels and preprocessing; the tokenizer, too, where no folder holds it', () => {
    const metadata = (trained: TrainedModel, alone: boolean) =>
      Object.fromEntries(
        read(onnxBytes(trained, { weights: 'int8', alone })).metadataProps.map(({ key, value }) => [key, value]),
      );
    const picture = metadata(compressedVit(3), true);
    expect(picture).toMatchObject({
      model: 'tiny',
      architecture: 'vit',
      weights: 'int8',
      problem_type: 'single_label_classification',
      labels: '["a","b","c","d","e"]',
    });
    expect(JSON.parse(picture.preprocessor_config)).toMatchObject({
      size: { height: 8, width: 12 },
      image_mean: [0.5, 0.5, 0.5],
      resample: 2,
    });
    expect(metadata(compressedBert(3), false)).toMatchObject({ max_tokens: '5' });
    expect(metadata(compressedBert(3), false).tokenizer).toBeUndefined();
    expect(JSON.parse(metadata(compressedBert(3), true).tokenizer)).toMatchObject({ model: { type: 'WordPiece' } });
  });

  it('are weights by their names, each once, in int8 where that is asked for', () => {
    const { initializer } = read(onnxBytes(compressedVit(5), F32)).graph;
    const [loraA] = initializer.filter(({ name }) => name === 'block.0.up.loraA');
    expect([loraA.dims, new Set(initializer.map(({ name }) => name)).size]).toEqual([[5, 12], initializer.length]);
    const INT8_TYPE = 3;
    const int8 = read(onnxBytes(compressedVit(5), INT8)).graph.initializer;
    // Two blocks of six layers with A and B; patches and head.
    expect(int8.filter(({ dataType }) => dataType === INT8_TYPE).length).toBe(2 * 6 * 2 + 2);
  });

  it('take no types of tokens where there is one', async () => {
    const { folder } = familyNamed('bert-one-type');
    const file = await openOnnx(onnxBytes(await loadTrainedModel(folder), F32));
    expect([...file.inputs].sort()).toEqual(['attention_mask', 'input_ids']);
    await file.close();
  });
});
