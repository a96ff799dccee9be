/** The whole PC-LoRA step against PyTorch: fixtures/make_pclora_steps.py says what was computed. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Engine, evaluate, floats, type HostTensor, integers, type Program } from '../../cli/engines/engine.ts';
import { gradients } from '../../cli/graph/grad.ts';
import { input } from '../../cli/graph/ops/leaf.ts';
import { createBert } from '../../cli/models/bert.ts';
import { blockLinears, type TensorSpec, tensorsOf } from '../../cli/models/layers.ts';
import type { Model } from '../../cli/models/model.ts';
import { type AdapterOptions, adaptersOnlyParts, adapterTensors } from '../../cli/pclora/linear.ts';
import { lambdaAt, type Schedule } from '../../cli/pclora/schedule.ts';
import { loadCheckpoint } from '../../cli/pretrained/checkpoint.ts';
import { openTensorFile, type Tensors } from '../../cli/pretrained/tensor-file.ts';
import { ADAMW_DEFAULTS, adamwScalars, flatLayout } from '../../cli/train/optimizer.ts';
import { compressGraph, compressLosses, type Phase, STATE, wholeStep } from '../../cli/train/step.ts';
import { readSafetensors } from '../../runtime/artifact/safetensors.ts';
import { checkpointNames } from '../support/checkpoint-names.ts';
import { expectClose } from '../support/compare.ts';
import { describeOn, TEST_ENGINES, type TestEngine } from '../support/engines.ts';
import { describeWith, own, shared, type TestData } from '../support/shared.ts';
import { createTestXlaEngine, withoutSeveral } from '../support/xla.ts';

const BATCH = 3;

/** What PyTorch trained: a checkpoint and a batch of it. */
interface Subject {
  readonly model: Model;
  readonly tensors: Tensors;
  /** The checkpoint's name of one of our tensors. */
  readonly checkpointName: (name: string) => string;
  readonly feeds: Record<string, HostTensor>;
}

async function vit(data: TestData, { floats: golden }: Golden): Promise<Subject> {
  const checkpoint = await loadCheckpoint(data.path(), { seed: 0 });
  const { model, tensors } = checkpoint;
  const names = checkpointNames(checkpoint);
  return {
    model,
    tensors,
    checkpointName: (name) => names.get(name)!,
    feeds: { pixels: floats(golden.get('batch.pixel_values')!, model.batchInputs(BATCH).pixels.shape) },
  };
}

async function bert(data: TestData, { integers: ids }: Golden): Promise<Subject> {
  const config = JSON.parse(readFileSync(data.path('config.json'), 'utf8'));
  const tokens = ids.get('batch.input_ids')!.length / BATCH;
  const model = createBert({
    variant: 'bert',
    vocabSize: config.vocab_size,
    maxPositions: config.max_position_embeddings,
    typeVocabSize: config.type_vocab_size,
    embeddingSize: config.hidden_size,
    activation: 'gelu',
    hiddenSize: config.hidden_size,
    layers: config.num_hidden_layers,
    heads: config.num_attention_heads,
    intermediateSize: config.intermediate_size,
    layerNormEpsilon: config.layer_norm_eps,
    initializerRange: config.initializer_range,
    headDropout: 0,
    tokens,
    labels: Object.values(config.id2label),
    problemType: 'single_label_classification',
  });
  const file = await openTensorFile(data.path('model.safetensors'));
  const tensors: Tensors = new Map();
  for (const { name } of tensorsOf(model.layers)) tensors.set(name, await file.read(bertName(name)));
  await file.close();
  const shape = [BATCH, tokens];
  const feeds = {
    ids: integers(ids.get('batch.input_ids')!, shape),
    types: integers(ids.get('batch.token_type_ids')!, shape),
    mask: floats(Float32Array.from(ids.get('batch.attention_mask')!), shape),
  };
  return { model, tensors, checkpointName: bertName, feeds };
}

/** `block.0.up.weight` is `bert.encoder.layer.0.intermediate.dense.weight` there. */
function bertName(name: string): string {
  const inBlocks: Record<string, string> = {
    query: 'attention.self.query',
    key: 'attention.self.key',
    value: 'attention.self.value',
    attention: 'attention.output.dense',
    norm1: 'attention.output.LayerNorm',
    up: 'intermediate.dense',
    down: 'output.dense',
    norm2: 'output.LayerNorm',
  };
  const others: Record<string, string> = {
    'embedding.word': 'bert.embeddings.word_embeddings.weight',
    'embedding.position': 'bert.embeddings.position_embeddings.weight',
    'embedding.type': 'bert.embeddings.token_type_embeddings.weight',
    'norm.weight': 'bert.embeddings.LayerNorm.weight',
    'norm.bias': 'bert.embeddings.LayerNorm.bias',
  };
  const [, block, layer, suffix] = /^block\.(\d+)\.(\w+)\.(weight|bias)$/.exec(name) ?? [];
  if (block !== undefined) return `bert.encoder.layer.${block}.${inBlocks[layer]}.${suffix}`;
  return others[name] ?? name.replace('pooler', 'bert.pooler.dense').replace('head', 'classifier');
}

/** golden.safetensors: F32, and integers as torch counts in them, I64. */
interface Golden {
  readonly floats: Tensors;
  readonly integers: ReadonlyMap<string, Int32Array>;
}

function readGolden(path: string): Golden {
  const { tensors } = readSafetensors(readFileSync(path));
  const of = (wanted: string) =>
    [...tensors]
      .filter(([, { dtype }]) => dtype === wanted)
      .map(([name, { data }]) => [name, Uint8Array.from(data).buffer] as const);
  return {
    floats: new Map(of('F32').map(([name, data]) => [name, new Float32Array(data)])),
    integers: new Map(of('I64').map(([name, data]) => [name, Int32Array.from(new BigInt64Array(data), Number)])),
  };
}

/** A key's bias adds the same to all scores of a row, which softmax ignores: its gradient is 0 but for rounding. */
const vanishes = (name: string): boolean => name.endsWith('.key.loraC');

/** Each of the devices has one sample of the batch. */
const sharedByThree: TestEngine = {
  name: 'xla on 3 devices',
  create: () => createTestXlaEngine({ precision: 'f32', devices: 3 }),
  absent: withoutSeveral,
};

/** SwiftShader compiles the shaders of a whole step first. */
const timeout = 240_000;

/** On webgpu the second alone: SwiftShader takes its time, and the operations of a ViT are in contract/. */
const SUBJECTS: readonly (readonly [TestData, typeof vit])[] = [
  [own(import.meta.url, 'fixtures/tiny-vit'), vit],
  [own(import.meta.url, 'fixtures/tiny-bert'), bert],
  [shared('golden/tiny-vit'), vit],
  [shared('golden/tiny-bert'), bert],
];
for (const [data, load] of SUBJECTS)
  describeWith([data], data.name, () => {
    for (const engine of [
      ...TEST_ENGINES.filter(({ name }) => name !== 'webgpu' || data === SUBJECTS[1][0]),
      sharedByThree,
    ])
      describeOn(engine, `on ${engine.name}`, () => compareWithPyTorch(data, load, engine.create));
  });

function compareWithPyTorch(data: TestData, load: typeof vit, createEngine: () => Promise<Engine>): void {
  let golden: ReturnType<typeof JSON.parse>;
  let engine: Engine;
  let subject: Subject;
  let values: Tensors;
  let labels: HostTensor;
  let adapters: AdapterOptions;
  let trainedSpecs: TensorSpec[];

  beforeAll(async () => {
    golden = JSON.parse(readFileSync(data.path('golden.json'), 'utf8'));
    engine = await createEngine();
    const read = readGolden(data.path('golden.safetensors'));
    values = read.floats;
    labels = integers(read.integers.get('batch.labels')!, [BATCH]);
    subject = await load(data, read);
    const { layers } = subject.model;
    adapters = {
      init: 'paper',
      scaling: golden.scaling,
      ranks: new Map(blockLinears(layers).map((layer) => [layer.name, golden.rank])),
    };
    const kept = tensorsOf(layers.filter(({ kind }) => kind === 'norm' || kind === 'head'));
    trainedSpecs = [...adapterTensors(layers, adapters.ranks), ...kept];
  });
  afterAll(() => engine?.dispose());

  /**
   * PyTorch's name of a tensor: `block.0.query.loraA` is `vit.encoder.layer.0.attention.attention.query.lora_A` there.
   */
  function goldenName(name: string): string {
    const adapter = /^(.*)\.lora([ABC])$/.exec(name);
    if (!adapter) return subject.checkpointName(name);
    return subject.checkpointName(`${adapter[1]}.weight`).replace(/weight$/, `lora_${adapter[2]}`);
  }

  const startOf = (spec: TensorSpec): Float32Array =>
    values.get(`adapter.${goldenName(spec.name)}`) ?? subject.tensors.get(spec.name)!;

  function feeds(): Record<string, HostTensor> {
    const specs = tensorsOf(subject.model.layers);
    return {
      ...subject.feeds,
      labels,
      lambda: floats(Float32Array.of(golden.lam), []),
      ...Object.fromEntries(specs.map(({ name, shape }) => [name, floats(subject.tensors.get(name)!, shape)])),
    };
  }

  it('computes the logits, block outputs and losses, and every gradient', { timeout }, async () => {
    const trained = new Map(trainedSpecs.map((spec) => [spec.name, input(`trained ${spec.name}`, spec.shape)]));
    const losses = compressLosses(
      { model: subject.model, batch: BATCH, adapters, alpha: golden.alpha },
      'fading',
      trained,
    );
    const { loss, task, feature, student, teacher } = losses;
    const byTensor = gradients(loss, [...trained.values()]);
    const outputs = {
      loss,
      task,
      feature,
      studentLogits: student.logits,
      teacherLogits: teacher.logits,
      ...Object.fromEntries(student.blocks.map((block, i) => [`student.block.${i}`, block])),
      ...Object.fromEntries(teacher.blocks.map((block, i) => [`teacher.block.${i}`, block])),
      ...Object.fromEntries(trainedSpecs.map(({ name }, i) => [`grad.${name}`, byTensor[i]])),
    };
    const starts = Object.fromEntries(
      trainedSpecs.map((spec) => [`trained ${spec.name}`, floats(startOf(spec), spec.shape)]),
    );
    const results = await evaluate(engine, { outputs }, { ...feeds(), ...starts });

    expectClose(results.studentLogits.data, values.get('student.logits')!, 1e-5, 'student logits');
    expectClose(results.teacherLogits.data, values.get('teacher.logits')!, 1e-5, 'teacher logits');
    for (let i = 0; i < student.blocks.length; i++) {
      expectClose(results[`student.block.${i}`].data, values.get(`student.block.${i}`)!, 1e-5, `student block ${i}`);
      expectClose(results[`teacher.block.${i}`].data, values.get(`teacher.block.${i}`)!, 1e-5, `teacher block ${i}`);
    }
    for (const [name, expected] of [
      ['loss', golden.loss],
      ['task', golden.task],
      ['feature', golden.feat],
    ] as const) {
      expectClose(results[name].data, [expected], 1e-5, name);
    }
    const { length: depth } = student.blocks;
    expect(depth).toBe(3);
    expect(trainedSpecs).toHaveLength(depth * 6 * 3 + 2 * (2 * depth + 1) + 2);
    for (const { name } of trainedSpecs) {
      const actual = results[`grad.${name}`].data;
      const expected = values.get(`grad.${goldenName(name)}`)!;
      if (vanishes(name)) {
        expect(Math.max(...expected.map(Math.abs)), `PyTorch's gradient of ${name}`).toBeLessThan(1e-7);
        expect(Math.max(...(actual as Float32Array).map(Math.abs)), `gradient of ${name}`).toBeLessThan(1e-7);
      } else {
        expectClose(actual, expected, 1e-4, `gradient of ${name}`);
      }
    }
  });

  it('computes the adapters-only logits', { timeout }, async () => {
    const { model } = subject;
    const specs = [...tensorsOf(model.layers), ...adapterTensors(model.layers, adapters.ranks)];
    const { logits } = model.forward(
      model.batchInputs(BATCH, { padded: true }),
      BATCH,
      adaptersOnlyParts(specs, adapters.scaling),
    );
    const starts = Object.fromEntries(trainedSpecs.map((spec) => [spec.name, floats(startOf(spec), spec.shape)]));
    const results = await evaluate(engine, { outputs: { logits } }, { ...feeds(), ...starts });
    expectClose(results.logits.data, values.get('adapters_only.logits')!, 1e-5, 'adapters-only logits');
  });

  it('follows ten AdamW steps through both programs', { timeout }, async () => {
    const { lr, weight_decay: weightDecay } = golden.adamw;
    const optimizer = { ...ADAMW_DEFAULTS, weightDecay, clipNorm: 0 };
    const layout = flatLayout(trainedSpecs);
    const options = { model: subject.model, batch: BATCH, adapters, alpha: golden.alpha, layout };
    const { batched } = compressGraph(options, 'fading');
    const compile = (phase: Phase): Promise<Program> =>
      engine.compile(wholeStep(compressGraph(options, phase), optimizer), { batched });
    const programs = { fading: await compile('fading'), adapters: await compile('adapters') };

    const start = new Float32Array(layout.size);
    trainedSpecs.forEach((spec, i) => start.set(startOf(spec), layout.offsets[i]));
    const fixed = Object.fromEntries(
      Object.entries(feeds()).map(([name, tensor]) => [
        name,
        engine.upload(tensor, { batched: batched.includes(name) }),
      ]),
    );
    const zeros = () => engine.upload(floats(new Float32Array(layout.size), [layout.size]));
    let state = { parameters: engine.upload(floats(start, [layout.size])), moment1: zeros(), moment2: zeros() };

    for (const { step, lam, loss, task, feat } of golden.ten_steps) {
      expect(lambdaAt('linear', step, 8)).toBeCloseTo(lam, 12);
      const scalars = Object.entries({ lambda: lam, ...adamwScalars(step, lr, optimizer) }).map(
        ([name, value]) => [name, engine.upload(floats(Float32Array.of(value as number), []))] as const,
      );
      const program = lam > 0 ? programs.fading : programs.adapters;
      const results = await program.run({ ...fixed, ...Object.fromEntries(scalars), ...state });
      expectClose(await results.loss.read(), [loss], 1e-4, `loss of step ${step}`);
      expectClose(await results.task.read(), [task], 1e-4, `task loss of step ${step}`);
      expectClose(await results.feature.read(), [feat], 1e-4, `feature loss of step ${step}`);
      state = Object.fromEntries(STATE.map((name) => [name, results[name]])) as typeof state;
    }
    const final = (await state.parameters.read()) as Float32Array;
    trainedSpecs.forEach(({ name }, i) => {
      if (vanishes(name)) return; // AdamW divides rounding noise by its own size: its ten steps are noise too.
      const expected = values.get(`after10.${goldenName(name)}`)!;
      expectClose(
        final.subarray(layout.offsets[i], layout.offsets[i] + expected.length),
        expected,
        1e-3,
        `${name} after ten steps`,
      );
    });
  });

  it('gives the schedules of the paper', () => {
    const { progress, linear, sine, one_minus_cosine: oneMinusCosine } = golden.schedules;
    const expected: Record<string, number[]> = { linear, sine, 'one-minus-cosine': oneMinusCosine };
    for (const [schedule, lambdas] of Object.entries(expected)) {
      progress.forEach((p: number, i: number) =>
        expect(lambdaAt(schedule as Schedule, p * 8, 8)).toBeCloseTo(lambdas[i], 12),
      );
    }
  });
}
