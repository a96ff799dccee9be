/** Accuracy of a packed model, on the runtime that serves it. */
import type { Artifact } from '../../runtime/artifact/artifact.ts';
import { elementCount } from '../../runtime/artifact/safetensors.ts';
import { createEngine } from '../../runtime/engine/engine.ts';
import { readImagePreprocess } from '../../runtime/preprocess/spec.ts';
import { batchCount, batches } from '../data/batches.ts';
import type { Split } from '../data/split.ts';
import { builtKernels } from '../io/assets.ts';
import { argmax, EVALUATION_BATCH, expectFinite, type EvaluateOptions, type Evaluation } from './evaluate.ts';

/** Runs every sample once through the WebAssembly runtime. */
export async function evaluateArtifact(artifact: Artifact, split: Split, { classOf, onBatch }: Omit<EvaluateOptions, 'spec'> = {}): Promise<Evaluation> {
  const engine = createEngine(artifact, await builtKernels());
  const spec = readImagePreprocess(artifact.manifest.preprocessing);
  const inputLength = elementCount(engine.inputs[0].shape);
  const total = batchCount(split.size, { batchSize: EVALUATION_BATCH });
  let correct = 0;
  let done = 0;
  for await (const { pixels, labels, size } of batches(split, { spec, batchSize: EVALUATION_BATCH, seed: 0 })) {
    for (let i = 0; i < size; i++) {
      const logits = engine.infer({ pixels: pixels.subarray(i * inputLength, (i + 1) * inputLength) });
      expectFinite(logits, 0, logits.length);
      if (argmax(logits, 0, logits.length) === (classOf?.[labels[i]] ?? labels[i])) correct++;
    }
    onBatch?.(++done, total);
  }
  return { accuracy: split.size === 0 ? 0 : correct / split.size, samples: split.size };
}
