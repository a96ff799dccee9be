/** What ranks are spread by (`--rank-allocation`): a look at training samples before the adapters start. */
import { setImmediate } from 'node:timers/promises';
import type { Samples } from '../data/samples.ts';
import type { Engine } from '../engines/engine.ts';
import { concatenated } from '../io/floats.ts';
import { throwIfInterrupted } from '../io/io.ts';
import type { Progress } from '../io/progress.ts';
import { blockLinears, isFused, rankedOf, tensorsOf } from '../models/layers.ts';
import type { RankAllocation, Ranks, Worths } from '../pclora/allocation.ts';
import type { Moment } from '../pclora/svd.ts';
import { costsOfErrors, energies } from '../pclora/worth.ts';
import type { Checkpoint } from '../pretrained/checkpoint.ts';
import { collectBackwards, collectMoments } from './calibrate.ts';
import { tensorNamed, uploadTensors } from './trained-tensors.ts';

/** What was found out of a teacher. */
export interface Measured {
  readonly worths: Worths;
  /** Of every adapted layer, as `--init activation` starts from them. */
  readonly moments: ReadonlyMap<string, Moment>;
}

/** How a teacher is measured. */
export interface Measuring {
  readonly allocation: RankAllocation;
  readonly seed: number;
  /** Whether the moments are to have means. */
  readonly withMeans: boolean;
  /** How many samples' activations memory has room for, where gradients are looked at. */
  readonly batch: number;
  /** The blocks, from 0, at whose outputs gradients begin. */
  readonly featureBlocks: readonly number[];
}

/**
 * What the directions of a teacher's block layers are worth on training samples.
 * @param ranks name the layers that get adapters; how large they are does not matter
 */
export async function measureWorths(
  engine: Engine,
  teacher: Checkpoint,
  ranks: Ranks,
  samples: Samples,
  { allocation, seed, withMeans, batch, featureBlocks }: Measuring,
  { progress, signal }: { readonly progress: Progress; readonly signal: AbortSignal },
): Promise<Measured> {
  const { model, tensors } = teacher;
  const weights = uploadTensors(engine, tensorsOf(model.layers), tensors);
  const moments = await collectMoments(engine, teacher, ranks, weights, samples, { seed, withMeans });
  const backwards =
    allocation === 'gradient'
      ? await collectBackwards(engine, teacher, ranks, weights, samples, seed, { batch, featureBlocks })
      : null;
  for (const tensor of Object.values(weights)) tensor.dispose();
  const linears = rankedOf(blockLinears(model.layers), isFused(ranks));
  const worths = new Map<string, Float64Array>();
  for (const { layer, parts } of linears) {
    await setImmediate(); // so that Ctrl-C is heard
    throwIfInterrupted(signal);
    const moment = moments.get(parts[0].name)!;
    worths.set(
      layer.name,
      backwards
        ? costsOfErrors(layer, moment, backwards.get(layer.name)!)
        : energies(layer, concatenated(parts.map((part) => tensorNamed(tensors, part.tensors[0].name))), moment),
    );
    progress.update(worths.size, linears.length, 'layers measured for their ranks');
  }
  progress.end();
  return { worths, moments };
}
