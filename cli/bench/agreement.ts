/** How often the packed int8 model says what the f32 model says, on real pictures. */
import { readArtifact } from '../../runtime/artifact/artifact.ts';
import { elementCount } from '../../runtime/artifact/safetensors.ts';
import { createEngine as createRuntime } from '../../runtime/engine/engine.ts';
import { pack } from '../compress/pack.ts';
import { quantizeTensors } from '../compress/quantize.ts';
import { batchCount, batches } from '../data/batches.ts';
import type { Split } from '../data/split.ts';
import { floats, type Engine } from '../engines/engine.ts';
import { builtKernels } from '../io/assets.ts';
import { imagePreprocessOf } from '../pretrained/preprocessing.ts';
import { describe } from '../train/artifact-description.ts';
import { argmax, compileForward, EVALUATION_BATCH, expectFinite } from '../train/evaluate.ts';
import { deployable, floatTensors, partsOf, weightSpecs, type TrainedModel } from '../train/trained-model.ts';
import { uploadTensors } from '../train/trained-tensors.ts';

export interface Agreement {
  readonly samples: number;
  /** Samples for which both have the same largest logit, as a share. */
  readonly agreement: number;
  /** Null where the model's classes are not the data's. */
  readonly accuracy: { readonly f32: number; readonly int8: number } | null;
  /** Of the int8 artifact. */
  readonly bytes: number;
}

export interface AgreementOptions {
  /** Class index in the data → class index in the model; null where they have nothing in common. */
  readonly classOf: readonly number[] | null;
  readonly onBatch?: (done: number, total: number) => void;
}

/** Runs every sample of the splits through the f32 model on `engine` and through its int8 artifact on the runtime. */
export async function benchAgreement(trained: TrainedModel, splits: readonly Split[], engine: Engine, { classOf, onBatch }: AgreementOptions): Promise<Agreement> {
  const image = imagePreprocessOf(trained.preprocessing);
  const { logits, tensors } = deployable(trained);
  const artifact = await readArtifact(await pack(logits, quantizeTensors(tensors, logits), describe(trained)));
  const runtime = createRuntime(artifact, await builtKernels());
  const length = elementCount(runtime.inputs[0].shape);
  const forward = await compileForward(engine, trained.model, partsOf(trained));
  const weights = uploadTensors(engine, weightSpecs(trained.model, trained.compression), floatTensors(trained.stored));
  const classes = trained.config.labels.length;
  const { height, width } = image.size;
  const total = splits.reduce((sum, { size }) => sum + batchCount(size, { batchSize: EVALUATION_BATCH }), 0);
  const counts = { samples: 0, agree: 0, f32: 0, int8: 0 };
  let done = 0;
  for (const split of splits) {
    for await (const { pixels, labels, size } of batches(split, { spec: image, batchSize: EVALUATION_BATCH, seed: 0 })) {
      const uploaded = engine.upload(floats(pixels, [EVALUATION_BATCH, 3, height, width]));
      const outputs = await forward.run({ ...weights, pixels: uploaded });
      const values = await outputs.logits.read();
      for (let i = 0; i < size; i++) {
        expectFinite(values, i * classes, classes);
        const f32 = argmax(values, i * classes, classes);
        const int8 = argmax(runtime.infer({ pixels: pixels.subarray(i * length, (i + 1) * length) }), 0, classes);
        const expected = classOf?.[labels[i]];
        counts.samples++;
        if (f32 === int8) counts.agree++;
        if (f32 === expected) counts.f32++;
        if (int8 === expected) counts.int8++;
      }
      uploaded.dispose();
      outputs.logits.dispose();
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
