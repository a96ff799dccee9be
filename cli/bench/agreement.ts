/** How often the packed int8 model says what the f32 model says, on real data. */
import { readArtifact } from '../../runtime/artifact/artifact.ts';
import { createEngine as createRuntime } from '../../runtime/engine/engine.ts';
import { batchCount } from '../data/pass.ts';
import type { Samples } from '../data/samples.ts';
import type { Engine } from '../engines/engine.ts';
import { builtKernels } from '../io/assets.ts';
import { uploadBatch } from '../train/batch-inputs.ts';
import { argmax, compileForward, evaluationBatch, expectFinite } from '../train/evaluate.ts';
import { packTrained, quantize } from '../train/pack-trained.ts';
import { floatTensors, partsOf, type TrainedModel, weightSpecs } from '../train/trained-model.ts';
import { uploadTensors } from '../train/trained-tensors.ts';

/** What `benchAgreement` found, over all samples of all splits together. */
export interface Agreement {
  readonly samples: number;
  /** Samples for which both have the same largest logit, as a share. */
  readonly agreement: number;
  /** Null where the model's classes are not the data's. */
  readonly accuracy: { readonly f32: number; readonly int8: number } | null;
  /** Of the int8 artifact. */
  readonly bytes: number;
}

/** How labels are compared, and who is told of the progress, in batches. */
export interface AgreementOptions {
  /** Class index in the data → class index in the model; null where they have nothing in common. */
  readonly classOf: readonly number[] | null;
  readonly onBatch?: (done: number, total: number) => void;
}

/** Runs every sample of the splits through the f32 model on `engine` and through its int8 artifact on the runtime. */
export async function benchAgreement(
  trained: TrainedModel,
  splits: readonly Samples[],
  engine: Engine,
  { classOf, onBatch }: AgreementOptions,
): Promise<Agreement> {
  const artifact = await readArtifact(await packTrained(quantize(trained)));
  const runtime = createRuntime(artifact, await builtKernels());
  const forward = compileForward(engine, trained, partsOf(trained));
  const weights = uploadTensors(engine, weightSpecs(trained.model, trained.compression), floatTensors(trained.stored));
  const classes = trained.config.labels.length;
  const batchSize = evaluationBatch(engine);
  const total = splits.reduce((sum, { size }) => sum + batchCount(size, { batchSize }), 0);
  const counts = { samples: 0, agree: 0, f32: 0, int8: 0 };
  let done = 0;
  for (const split of splits) {
    for await (const { inputs, tokens, sample, labels, size } of split.batches({
      batchSize,
      seed: 0,
    })) {
      const uploaded = uploadBatch(engine, inputs);
      const outputs = await (await forward.at(tokens)).run({ ...weights, ...uploaded });
      const values = await outputs.logits.read();
      for (let i = 0; i < size; i++) {
        expectFinite(values, i * classes, classes);
        const f32 = argmax(values, i * classes, classes);
        const int8 = argmax(runtime.infer(sample(i)), 0, classes);
        const expected = classOf?.[labels[i]];
        counts.samples++;
        if (f32 === int8) counts.agree++;
        if (f32 === expected) counts.f32++;
        if (int8 === expected) counts.int8++;
      }
      for (const tensor of [...Object.values(uploaded), outputs.logits]) tensor.dispose();
      onBatch?.(++done, total);
    }
  }
  await forward.dispose();
  const share = (count: number): number => count / counts.samples;
  return {
    samples: counts.samples,
    agreement: share(counts.agree),
    accuracy: classOf && { f32: share(counts.f32), int8: share(counts.int8) },
    bytes: artifact.fileBytes,
  };
}
