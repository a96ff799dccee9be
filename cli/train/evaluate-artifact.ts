/** How good a packed model is, on the runtime that serves it. */
import type { Artifact } from '../../runtime/artifact/artifact.ts';
import type { Score } from '../../runtime/artifact/problem-type.ts';
import { createEngine } from '../../runtime/engine/engine.ts';
import type { Samples } from '../data/samples.ts';
import { targetOf } from '../data/target.ts';
import { builtKernels } from '../io/assets.ts';
import { createJudge, EVALUATION_BATCH, type EvaluateOptions } from './evaluate.ts';

/** Runs every sample once through the WebAssembly runtime. `samples` are prepared as the artifact says. */
export async function evaluateArtifact(
  artifact: Artifact,
  samples: Samples,
  { onBatch, ...options }: Omit<EvaluateOptions, 'problemType'> = {},
): Promise<Score> {
  const engine = createEngine(artifact, await builtKernels());
  const judge = createJudge({ problemType: artifact.manifest.problemType, ...options });
  const total = samples.count({ batchSize: EVALUATION_BATCH });
  let done = 0;
  for await (const { sample, labels, size, rows } of samples.batches({ batchSize: EVALUATION_BATCH, seed: 0 })) {
    for (let i = 0; i < size; i++) judge.add(engine.infer(sample(i)), targetOf(labels, i, EVALUATION_BATCH), rows[i]);
    onBatch?.(++done, total);
  }
  return judge.score();
}
