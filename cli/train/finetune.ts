/** Fine-tuning: the dense model on the task loss. Its result is the teacher of a compression. */
import type { Split } from '../data/split.ts';
import type { Checkpoint } from '../pretrained/checkpoint.ts';
import type { Tensors } from '../pretrained/tensor-file.ts';
import { tensorsOf } from '../models/layers.ts';
import { input } from '../graph/ops/leaf.ts';
import { denseParts } from '../pclora/linear.ts';
import { compileForward, evaluateForward } from './evaluate.ts';
import { trainLoop, type LoopContext, type LoopOptions, type LoopResult } from './loop.ts';
import { flatLayout, sliceTensors } from './optimizer.ts';
import { finetuneStep } from './step.ts';
import { packVector, unpackVector } from './trained-tensors.ts';

/** Trains every tensor of the checkpoint. */
export async function finetune(checkpoint: Checkpoint, test: Split, options: LoopOptions, context: LoopContext): Promise<LoopResult & { readonly tensors: Tensors }> {
  const { engine, spec } = context;
  const { model } = checkpoint;
  const specs = tensorsOf(model.layers);
  const layout = flatLayout(specs);
  const program = await engine.compile(finetuneStep({ model, batch: options.batchSize, layout, optimizer: options.optimizer }));
  const trained = sliceTensors(input('parameters', [layout.size]), layout);
  const forward = await compileForward(engine, model, denseParts(specs, trained));
  const result = await trainLoop(
    {
      lambdaAt: () => null,
      programAt: async () => program,
      losses: ['loss'],
      frozen: {},
      start: () => packVector(layout, checkpoint.tensors),
      evaluate: (parameters) => evaluateForward(engine, forward, { parameters }, test, { spec }),
    },
    options,
    context,
  );
  await Promise.all([program.dispose(), forward.dispose()]);
  return { ...result, tensors: unpackVector(layout, result.parameters) };
}
