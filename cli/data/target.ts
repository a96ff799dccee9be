/** What a model is to answer. */
import { floats, type HostTensor, integers } from '../engines/engine.ts';

/** A sample's class, by its index; or a value for each label: whether it applies, 1 or 0, or a number. */
export type Target = number | Float32Array;

/** Those of a batch: (B) classes, or (B, K) values; 0 in rows past its samples. */
export type Targets = Int32Array | Float32Array;

/** The targets of some samples, filled up to `batchSize` rows. */
export function batchTargets(samples: readonly Target[], batchSize: number): Targets {
  const [first] = samples;
  if (typeof first === 'number' || first === undefined) {
    const classes = new Int32Array(batchSize);
    classes.set(samples as readonly number[]);
    return classes;
  }
  const values = new Float32Array(batchSize * first.length);
  samples.forEach((sample, row) => values.set(sample as Float32Array, row * first.length));
  return values;
}

/** As a step's graph takes them. */
export function targetTensor(targets: Targets, batchSize: number): HostTensor {
  return targets instanceof Int32Array
    ? integers(targets, [batchSize])
    : floats(targets, [batchSize, targets.length / batchSize]);
}

/** Of one row. */
export function targetOf(targets: Targets, row: number, batchSize: number): Target {
  if (targets instanceof Int32Array) return targets[row];
  const width = targets.length / batchSize;
  return targets.subarray(row * width, (row + 1) * width);
}
