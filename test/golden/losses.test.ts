/** The losses of any number of labels and of numbers, and their gradients, against PyTorch's. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { type Engine, evaluate, floats } from '../../cli/engines/engine.ts';
import { gradients } from '../../cli/graph/grad.ts';
import { input } from '../../cli/graph/ops/leaf.ts';
import { meanSquaredError } from '../../cli/graph/ops/mean-squared-error.ts';
import { binaryCrossEntropy } from '../../cli/graph/ops/sigmoid-cross-entropy.ts';
import { expectClose } from '../support/compare.ts';
import { onnxEngine } from '../support/engines.ts';

interface Reference {
  readonly targets: readonly number[];
  readonly loss: number;
  readonly gradient: readonly number[];
}

const reference = JSON.parse(readFileSync(new URL('fixtures/losses.json', import.meta.url), 'utf8')) as {
  readonly logits: readonly number[];
  readonly shape: readonly number[];
  readonly binaryCrossEntropy: Reference;
  readonly meanSquaredError: Reference;
};

describe.each([['binaryCrossEntropy', binaryCrossEntropy] as const, ['meanSquaredError', meanSquaredError] as const])(
  '%s',
  (name, lossOf) => {
    let engine: Engine;
    beforeAll(async () => {
      engine = await onnxEngine();
    });
    afterAll(() => engine?.dispose());

    it("has PyTorch's value and gradient, at 0 and where e^x overflows too", async () => {
      const { logits, shape } = reference;
      const { targets, loss, gradient } = reference[name];
      const x = input('x', shape);
      const value = lossOf(x, input('y', shape));
      const results = await evaluate(
        engine,
        { outputs: { value, gradient: gradients(value, [x])[0] } },
        { x: floats(Float32Array.from(logits), shape), y: floats(Float32Array.from(targets), shape) },
      );
      expectClose(results.value.data, [loss], 1e-6, 'loss');
      expectClose(results.gradient.data, gradient, 1e-6, 'gradient');
    });
  },
);
