/** How far the packed int8 model says what the f32 model says, on real data. */
import { readArtifact } from '../../runtime/artifact/artifact.ts';
import { type ProblemType, type Score, scoreOf } from '../../runtime/artifact/problem-type.ts';
import { createEngine as createRuntime } from '../../runtime/engine/engine.ts';
import { batchCount } from '../data/pass.ts';
import type { Samples } from '../data/samples.ts';
import { targetOf } from '../data/target.ts';
import type { Engine } from '../engines/engine.ts';
import { builtKernels } from '../io/assets.ts';
import { uploadBatch } from '../train/batch-inputs.ts';
import { compileForward, createJudge, evaluationBatch, type Outputs } from '../train/evaluate.ts';
import { share } from '../train/metrics/rates.ts';
import { packTrained, quantize } from '../train/pack-trained.ts';
import { argmax, createScorer } from '../train/scorer.ts';
import { floatTensors, partsOf, type TrainedModel, weightSpecs } from '../train/trained-model.ts';
import { uploadTensors } from '../train/trained-tensors.ts';

/** Both models' scores, under their metric's name: `accuracy`, `microF1`, `pearson`. */
type BothScores = {
  readonly [M in keyof Omit<Score, 'samples'>]: { readonly f32: number | null; readonly int8: number | null } | null;
};

/** What `benchAgreement` found, over all samples of all splits together. */
export interface Agreement extends BothScores {
  readonly samples: number;
  /**
   * Of one label: the share of samples for which both have the same largest logit. Of any number of labels: for which both
   * give the same labels. Of numbers: Pearson's correlation of what both say, null where it does not vary.
   */
  readonly agreement: number | null;
  /** Of the int8 artifact. */
  readonly bytes: number;
}

/** How labels are compared, and who is told of the progress, in batches. */
export interface AgreementOptions {
  /** How the data's labels are the model's; null where they have nothing in common. */
  readonly outputs: Outputs | null;
  readonly onBatch?: (done: number, total: number) => void;
}

/** Runs every sample of the splits through the f32 model on `engine` and through its int8 artifact on the runtime. */
export async function benchAgreement(
  trained: TrainedModel,
  splits: readonly Samples[],
  engine: Engine,
  { outputs, onBatch }: AgreementOptions,
): Promise<Agreement> {
  const artifact = await readArtifact(await packTrained(quantize(trained)));
  const runtime = createRuntime(artifact, await builtKernels());
  const forward = compileForward(engine, trained, partsOf(trained));
  const weights = uploadTensors(engine, weightSpecs(trained.model, trained.compression), floatTensors(trained.stored));
  const { labels: known, problemType } = trained.config;
  const batchSize = evaluationBatch(engine);
  const total = splits.reduce((sum, { size }) => sum + batchCount(size, { batchSize }), 0);
  const both = createComparison(problemType);
  const judges = { f32: createJudge({ problemType, outputs }), int8: createJudge({ problemType, outputs }) };
  let done = 0;
  for (const split of splits) {
    for await (const { inputs, tokens, sample, labels, size, rows } of split.batches({ batchSize, seed: 0 })) {
      const uploaded = uploadBatch(engine, inputs);
      const { logits } = await (await forward.at(tokens)).run({ ...weights, ...uploaded });
      const values = (await logits.read()) as Float32Array;
      for (let i = 0; i < size; i++) {
        const f32 = values.subarray(i * known.length, (i + 1) * known.length);
        const int8 = runtime.infer(sample(i));
        const target = targetOf(labels, i, batchSize);
        judges.f32.add(f32, target, rows[i]);
        judges.int8.add(int8, target, rows[i]);
        both.add(f32, int8);
      }
      for (const tensor of [...Object.values(uploaded), logits]) tensor.dispose();
      onBatch?.(++done, total);
    }
  }
  await forward.dispose();
  const { metric, value: f32 } = scoreOf(judges.f32.score());
  const int8 = scoreOf(judges.int8.score()).value;
  return {
    samples: both.samples(),
    agreement: both.agreement(),
    [metric]: outputs && { f32, int8 },
    bytes: artifact.fileBytes,
  };
}

/** How far two models say the same: one is taken for the truth of the other. */
function createComparison(problemType: ProblemType): {
  add(f32: Float32Array, int8: Float32Array): void;
  samples(): number;
  agreement(): number | null;
} {
  if (problemType === 'multi_label_classification') {
    let [samples, same] = [0, 0];
    return {
      add(f32, int8) {
        samples++;
        if (f32.every((logit, k) => logit > 0 === int8[k] > 0)) same++;
      },
      samples: () => samples,
      agreement: () => share(same, samples),
    };
  }
  const scorer = createScorer(problemType);
  return {
    add: (f32, int8) => scorer.add(int8, problemType === 'regression' ? f32 : argmax(f32)),
    samples: () => scorer.score().samples,
    agreement: () => scoreOf(scorer.score()).value,
  };
}
