/** Fine-tuning: the dense model on the task loss. Its result is the teacher of a compression. */
import type { Samples } from '../data/samples.ts';
import { input } from '../graph/ops/leaf.ts';
import { tensorsOf } from '../models/layers.ts';
import { denseParts } from '../pclora/linear.ts';
import type { Checkpoint } from '../pretrained/checkpoint.ts';
import type { Tensors } from '../pretrained/tensor-file.ts';
import { normalizationOf } from './batch-inputs.ts';
import { compileForward, evaluateForward, evaluationWork } from './evaluate.ts';
import { type LoopContext, type LoopOptions, type LoopResult, trainLoop } from './loop.ts';
import { flatLayout, sliceTensors } from './optimizer.ts';
import { createPrograms } from './programs.ts';
import { finetuneGraph, type StepGraph } from './step.ts';
import { createSteps, stepWork } from './step-program.ts';
import { packVector, unpackVector } from './trained-tensors.ts';

/** Trains every tensor of the checkpoint. */
export async function finetune(
  checkpoint: Checkpoint,
  test: Samples,
  options: LoopOptions,
  context: LoopContext,
): Promise<LoopResult & { readonly tensors: Tensors }> {
  const { engine } = context;
  const { model } = checkpoint;
  const specs = tensorsOf(model.layers);
  const layout = flatLayout(specs);
  const losses = ['loss'];
  const steps = createSteps(engine, { ...options, layout, losses });
  const stepGraph = (tokens: number | null, batch: number): StepGraph =>
    finetuneGraph({
      model,
      batch,
      tokens: tokens ?? undefined,
      normalization: normalizationOf(checkpoint.preprocessing),
      tokenMultiple: engine.tokenMultiple,
      layout,
    });
  const programs = createPrograms((tokens) => steps.compile((batch) => stepGraph(tokens, batch), tokens !== null));
  const trained = sliceTensors(input('parameters', [layout.size]), layout);
  const parts = denseParts(specs, trained);
  const forward = compileForward(engine, checkpoint, parts);
  const result = await trainLoop(
    {
      lambdaAt: () => null,
      programAt: (_, tokens) => programs.at(tokens),
      work: {
        kindAt: () => 'dense',
        stepWork: (_, tokens) => stepWork(engine, options, (batch) => stepGraph(tokens, batch)),
        evaluationWork: (tokens) => evaluationWork(engine, checkpoint, parts, test, tokens),
      },
      dropouts: model.dropouts,
      losses,
      frozen: {},
      start: () => packVector(layout, checkpoint.tensors),
      evaluate: (parameters, onBatch) =>
        evaluateForward(engine, forward, { parameters }, test, { problemType: model.problemType, onBatch }),
    },
    options,
    context,
  );
  await Promise.all([programs.dispose(), forward.dispose()]);
  await steps.dispose();
  return { ...result, tensors: unpackVector(layout, result.parameters) };
}
