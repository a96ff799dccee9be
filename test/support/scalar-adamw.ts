/** The oracle of AdamW as graph: the update written for one number at a time in float64; and the graph's own step. */
import { type Engine, evaluate, floats } from '../../cli/engines/engine.ts';
import type { Graph } from '../../cli/graph/graph.ts';
import { type AdamwOptions, adamwScalars } from '../../cli/train/optimizer.ts';

/** The trained numbers and their moments. */
export interface ScalarState {
  parameters: number[];
  moment1: number[];
  moment2: number[];
}

/** What PyTorch's clip_grad_norm_ multiplies a gradient of this norm by. */
export function clipFactor(norm: number, clipNorm: number): number {
  return clipNorm > 0 && norm > clipNorm ? clipNorm / (norm + 1e-6) : 1;
}

/** One step: clipping, then AdamW (Loshchilov, Hutter 2017, algorithm 2). */
export function scalarStep(
  { parameters, moment1, moment2 }: ScalarState,
  gradient: readonly number[],
  step: number,
  rate: number,
  o: AdamwOptions,
): ScalarState & { norm: number } {
  const norm = Math.hypot(...gradient);
  const g = gradient.map((value) => value * clipFactor(norm, o.clipNorm));
  const m = moment1.map((value, i) => o.beta1 * value + (1 - o.beta1) * g[i]);
  const v = moment2.map((value, i) => o.beta2 * value + (1 - o.beta2) * g[i] ** 2);
  const next = parameters.map((theta, i) => {
    const mHat = m[i] / (1 - o.beta1 ** (step + 1));
    const vHat = v[i] / (1 - o.beta2 ** (step + 1));
    return theta - rate * o.weightDecay * theta - (rate * mHat) / (Math.sqrt(vHat) + o.epsilon);
  });
  return { parameters: next, moment1: m, moment2: v, norm };
}

/** One step of `optimizerUpdate`, whose gradients are slices of the input `gradient`. */
export function graphStep(
  engine: Engine,
  outputs: Graph['outputs'],
  { parameters, moment1, moment2 }: ScalarState,
  gradient: readonly number[],
  step: number,
  rate: number,
  options: AdamwOptions,
) {
  const vector = (values: readonly number[]) => floats(Float32Array.from(values), [values.length]);
  const scalars = Object.entries(adamwScalars(step, rate, options));
  return evaluate(
    engine,
    { outputs: { ...outputs } },
    {
      ...{ gradient: vector(gradient), parameters: vector(parameters) },
      ...{ moment1: vector(moment1), moment2: vector(moment2) },
      ...Object.fromEntries(scalars.map(([name, value]) => [name, floats(Float32Array.of(value), [])])),
    },
  );
}
