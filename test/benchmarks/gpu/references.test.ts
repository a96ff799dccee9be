/**
 * The references that Slim is timed beside compute the same step: from the same weights and batch the same first loss,
 * and as many trained numbers. Needs a Python with torch, or jax, that SLIM_PYTHON names.
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { randomInputs } from '../../../cli/bench/random-inputs.ts';
import { evaluate, floats, type HostTensor, integers } from '../../../cli/engines/engine.ts';
import { input } from '../../../cli/graph/ops/leaf.ts';
import { tensorsOf } from '../../../cli/models/layers.ts';
import { presetModel } from '../../../cli/models/presets.ts';
import { adapterTensors } from '../../../cli/pclora/linear.ts';
import { resolveRanks } from '../../../cli/pclora/rank.ts';
import { initialTensors } from '../../../cli/pretrained/initial.ts';
import { compressLosses } from '../../../cli/train/step.ts';
import { writeSafetensors } from '../../../runtime/artifact/safetensors.ts';
import { random } from '../../../runtime/random.ts';
import { skipNote } from '../../contract/hosts/installed.ts';
import { onnxEngine } from '../../support/engines.ts';
import { python, withoutPython } from '../../support/python.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const folder = temporaryFolder();
const BATCH = 3;
const TOKENS = 7;
const RANK = 4;

/** What a case starts from, by the names that the references read, and the graph of its losses. */
async function subject(name: string) {
  const model = presetModel(name, ['a', 'b', 'c'], TOKENS)!;
  const adapters = {
    init: 'paper' as const,
    scaling: 1,
    ranks: resolveRanks(model.layers, { rank: RANK, force: false }),
  };
  const specs = [
    ...adapterTensors(model.layers, adapters.ranks),
    ...tensorsOf(model.layers.filter(({ kind }) => ['norm', 'head', 'pooler'].includes(kind))),
  ];
  const dense = tensorsOf(model.layers);
  const frozen = initialTensors(dense, 0.1, random(0));
  const source = random(1);
  const batch = randomInputs(model, model.batchInputs(BATCH, { padded: true, dropout: true }), source);
  if (batch.mask) (batch.mask.data as Float32Array).fill(0, TOKENS - 2, TOKENS); // the first text is shorter
  const feeds: Record<string, HostTensor> = {
    ...batch,
    labels: integers(Int32Array.of(0, 2, 1), [BATCH]),
    ...Object.fromEntries(dense.map((spec) => [spec.name, floats(frozen.get(spec.name)!, spec.shape)])),
    ...Object.fromEntries(
      specs.map(({ name: tensor, shape }) => {
        const size = shape.reduce((product, length) => product * length, 1);
        return [
          `trained ${tensor}`,
          floats(
            Float32Array.from({ length: size }, () => 0.1 * source.normal()),
            shape,
          ),
        ];
      }),
    ),
  };
  const trained = new Map(specs.map((spec) => [spec.name, input(`trained ${spec.name}`, spec.shape)]));
  const lossOf = (phase: 'fading' | 'adapters') =>
    compressLosses({ model, batch: BATCH, adapters, alpha: 0.2 }, phase, trained).loss;
  const path = join(folder, `${name}.safetensors`);
  const stored = Object.entries(feeds).map(([tensor, { dtype, shape, data }]) => {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    return [tensor, { dtype: dtype === 'f32' ? 'F32' : 'I32', shape, data: bytes }] as const;
  });
  writeFileSync(path, writeSafetensors(new Map(stored)));
  const trainedParameters = specs.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  return { feeds, lossOf, path, trainedParameters };
}

describe.each(['torch', 'jax'])('the reference in %s', (library) => {
  const absent = withoutPython(library);
  it.skipIf(absent !== null).each(['vit-pico', 'bert-pico'])(
    `starts %s with Slim's losses${skipNote(absent)}`,
    { timeout: 180_000 },
    async (model) => {
      const { feeds, lossOf, path, trainedParameters } = await subject(model);
      const engine = await onnxEngine();
      const outputs = { fading: lossOf('fading'), adapters: lossOf('adapters') };
      const lambda = floats(Float32Array.of(0.5), []);
      const losses = await evaluate(engine, { outputs }, { ...feeds, lambda });
      await engine.dispose();
      const sizes = { model, batch: BATCH, tokens: TOKENS, rank: RANK, classes: 3 };
      const how = { precision: 'f32', device: 'cpu', mode: 'eager', steps: 1, phases: ['fading', 'adapters'] };
      const script = fileURLToPath(new URL(`reference_${library}.py`, import.meta.url));
      const told = JSON.parse(
        execFileSync(python!, [script, JSON.stringify({ ...sizes, ...how, tensors: path })], { encoding: 'utf8' }),
      );
      expect(told.trainedParameters).toBe(trainedParameters);
      for (const phase of ['fading', 'adapters'] as const) {
        const [ours] = losses[phase].data;
        expect(Math.abs(told.phases[phase].firstLoss / ours - 1), `${phase}: ${ours}`).toBeLessThan(1e-5);
      }
    },
  );
});
