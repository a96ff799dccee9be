/** Accuracy of a packed model, on the runtime that serves it. */
import type { Artifact } from '../../runtime/artifact/artifact.ts';
import { createEngine } from '../../runtime/engine/engine.ts';
import { batchCount } from '../data/pass.ts';
import type { Samples } from '../data/samples.ts';
import { builtKernels } from '../io/assets.ts';
import { argmax, EVALUATION_BATCH, type EvaluateOptions, type Evaluation, expectFinite } from './evaluate.ts';

/** Runs every sample once through the WebAssembly runtime. `samples` are prepared as the artifact says. */
export async function evaluateArtifact(
  artifact: Artifact,
  samples: Samples,
  { classOf, onBatch }: EvaluateOptions = {},
): Promise<Evaluation> {
  const engine = createEngine(artifact, await builtKernels());
  const total = batchCount(samples.size, { batchSize: EVALUATION_BATCH });
  let correct = 0;
  let done = 0;
  for await (const { sample, labels, size } of samples.batches({ batchSize: EVALUATION_BATCH, seed: 0 })) {
    for (let i = 0; i < size; i++) {
      const logits = engine.infer(sample(i));
      expectFinite(logits, 0, logits.length);
      if (argmax(logits, 0, logits.length) === (classOf?.[labels[i]] ?? labels[i])) correct++;
    }
    onBatch?.(++done, total);
  }
  return { accuracy: samples.size === 0 ? 0 : correct / samples.size, samples: samples.size };
}
