/** The whole PC-LoRA step against PyTorch: make_golden.py beside the golden files says what was computed. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evaluate, floats, integers, type Engine, type HostTensor } from '../../cli/engines/engine.ts';
import { createOnnxEngine } from '../../cli/engines/onnx/engine.ts';
import { createTfjsEngine } from '../../cli/engines/tfjs/engine.ts';
import { gradients } from '../../cli/graph/grad.ts';
import { input } from '../../cli/graph/ops/leaf.ts';
import { blockLinears, tensorsOf, type TensorSpec } from '../../cli/models/layers.ts';
import { loadCheckpoint, type Checkpoint } from '../../cli/pretrained/checkpoint.ts';
import { openTensorFile, type Tensors } from '../../cli/pretrained/tensor-file.ts';
import { adaptersOnlyParts, adapterTensors, type AdapterOptions } from '../../cli/pclora/linear.ts';
import { lambdaAt, type Schedule } from '../../cli/pclora/schedule.ts';
import { ADAMW_DEFAULTS, adamwScalars, flatLayout } from '../../cli/train/optimizer.ts';
import { compressLosses, compressStep, STATE } from '../../cli/train/step.ts';
import { expectClose } from '../support/compare.ts';
import { goldenFolder, present } from '../support/shared.ts';

const folder = `${goldenFolder}/tiny-vit`;
const BATCH = 3;

/** A key's bias adds the same to all scores of a row, which softmax ignores: its gradient is 0 but for rounding. */
const vanishes = (name: string): boolean => name.endsWith('.key.loraC');

describe.skipIf(!present(folder)).each([
  ['onnx', () => Promise.resolve(createOnnxEngine({ threads: 1 }))],
  ['tfjs', () => createTfjsEngine()],
] as const)('tiny-vit on %s', (_, createEngine) => {
  // Read when a test runs: vitest walks this body also where the folder is absent.
  let golden: ReturnType<typeof JSON.parse>;
  let engine: Engine;
  let checkpoint: Checkpoint;
  let values: Tensors;
  let adapters: AdapterOptions;
  let trainedSpecs: TensorSpec[];

  beforeAll(async () => {
    golden = JSON.parse(readFileSync(`${folder}/golden.json`, 'utf8'));
    engine = await createEngine();
    checkpoint = await loadCheckpoint(folder, { seed: 0 });
    const file = await openTensorFile(`${folder}/golden.safetensors`);
    values = new Map();
    for (const [name, { dtype }] of file.header.entries) if (dtype === 'F32') values.set(name, await file.read(name));
    await file.close();
    const { layers } = checkpoint.model;
    adapters = { init: 'paper', scaling: golden.scaling, ranks: new Map(blockLinears(layers).map((layer) => [layer.name, golden.rank])) };
    const kept = tensorsOf(layers.filter(({ kind }) => kind === 'norm' || kind === 'head'));
    trainedSpecs = [...adapterTensors(layers, adapters.ranks), ...kept];
  });
  afterAll(() => engine.dispose());

  /** PyTorch's name of a tensor: `block.0.query.loraA` is `vit.encoder.layer.0.attention.attention.query.lora_A` there. */
  function goldenName(name: string): string {
    const adapter = /^(.*)\.lora([ABC])$/.exec(name);
    if (!adapter) return checkpoint.architecture.checkpointName(name);
    return checkpoint.architecture.checkpointName(`${adapter[1]}.weight`).replace(/weight$/, `lora_${adapter[2]}`);
  }

  const startOf = (spec: TensorSpec): Float32Array => values.get(`adapter.${goldenName(spec.name)}`) ?? checkpoint.tensors.get(spec.name)!;
  const labels = integers(Int32Array.of(0, 3, 4), [BATCH]);

  function feeds(): Record<string, HostTensor> {
    const specs = tensorsOf(checkpoint.model.layers);
    return {
      pixels: floats(values.get('batch.pixel_values')!, [BATCH, 3, 16, 16]),
      labels,
      lambda: floats(Float32Array.of(golden.lam), []),
      ...Object.fromEntries(specs.map(({ name, shape }) => [name, floats(checkpoint.tensors.get(name)!, shape)])),
    };
  }

  it('computes the logits, block outputs and losses, and every gradient', async () => {
    const trained = new Map(trainedSpecs.map((spec) => [spec.name, input(`trained ${spec.name}`, spec.shape)]));
    const losses = compressLosses({ model: checkpoint.model, batch: BATCH, adapters, alpha: golden.alpha }, 'fading', trained);
    const { loss, task, feature, student, teacher } = losses;
    const byTensor = gradients(loss, [...trained.values()]);
    const outputs = {
      loss, task, feature, studentLogits: student.logits, teacherLogits: teacher.logits,
      ...Object.fromEntries(student.blocks.map((block, i) => [`student.block.${i}`, block])),
      ...Object.fromEntries(teacher.blocks.map((block, i) => [`teacher.block.${i}`, block])),
      ...Object.fromEntries(trainedSpecs.map(({ name }, i) => [`grad.${name}`, byTensor[i]])),
    };
    const starts = Object.fromEntries(trainedSpecs.map((spec) => [`trained ${spec.name}`, floats(startOf(spec), spec.shape)]));
    const results = await evaluate(engine, { outputs }, { ...feeds(), ...starts });

    expectClose(results.studentLogits.data, values.get('student.logits')!, 1e-5, 'student logits');
    expectClose(results.teacherLogits.data, values.get('teacher.logits')!, 1e-5, 'teacher logits');
    for (let i = 0; i < student.blocks.length; i++) {
      expectClose(results[`student.block.${i}`].data, values.get(`student.block.${i}`)!, 1e-5, `student block ${i}`);
      expectClose(results[`teacher.block.${i}`].data, values.get(`teacher.block.${i}`)!, 1e-5, `teacher block ${i}`);
    }
    for (const [name, expected] of [['loss', golden.loss], ['task', golden.task], ['feature', golden.feat]] as const) {
      expectClose(results[name].data, [expected], 1e-5, name);
    }
    expect(trainedSpecs).toHaveLength(3 * 6 * 3 + 2 * 7 + 2);
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

  it('computes the adapters-only logits', async () => {
    const { model } = checkpoint;
    const specs = [...tensorsOf(model.layers), ...adapterTensors(model.layers, adapters.ranks)];
    const { logits } = model.forward(model.batchInputs(BATCH), BATCH, adaptersOnlyParts(specs, adapters.scaling));
    const starts = Object.fromEntries(trainedSpecs.map((spec) => [spec.name, floats(startOf(spec), spec.shape)]));
    const results = await evaluate(engine, { outputs: { logits } }, { ...feeds(), ...starts });
    expectClose(results.logits.data, values.get('adapters_only.logits')!, 1e-5, 'adapters-only logits');
  });

  it('follows ten AdamW steps through both programs', async () => {
    const { lr, weight_decay: weightDecay } = golden.adamw;
    const optimizer = { ...ADAMW_DEFAULTS, weightDecay, clipNorm: 0 };
    const layout = flatLayout(trainedSpecs);
    const options = { model: checkpoint.model, batch: BATCH, adapters, alpha: golden.alpha, layout, optimizer };
    const programs = { fading: await engine.compile(compressStep(options, 'fading')), adapters: await engine.compile(compressStep(options, 'adapters')) };

    const start = new Float32Array(layout.size);
    trainedSpecs.forEach((spec, i) => start.set(startOf(spec), layout.offsets[i]));
    const fixed = Object.fromEntries(Object.entries(feeds()).map(([name, tensor]) => [name, engine.upload(tensor)]));
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
      expectClose(final.subarray(layout.offsets[i], layout.offsets[i] + expected.length), expected, 1e-3, `${name} after ten steps`);
    });
  });

  it('gives the schedules of the paper', () => {
    const { progress, linear, sine, one_minus_cosine: oneMinusCosine } = golden.schedules;
    const expected: Record<Schedule, number[]> = { linear, sine, 'one-minus-cosine': oneMinusCosine };
    for (const [schedule, lambdas] of Object.entries(expected)) {
      progress.forEach((p: number, i: number) => expect(lambdaAt(schedule as Schedule, p * 8, 8)).toBeCloseTo(lambdas[i], 12));
    }
  });
});
