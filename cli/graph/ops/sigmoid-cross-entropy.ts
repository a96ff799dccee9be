import { apply, expectShapes, type Node, type Operation, sameShape } from '../graph.ts';
import { add, multiply, scale, subtract } from './binary.ts';
import { scalar } from './leaf.ts';
import { meanOfAll } from './reduce.ts';
import { relu } from './relu.ts';
import { exp, log, negate, tanh } from './unary.ts';

/** 1 / (1 + e^-x), as (1 + tanh x/2) / 2, which overflows nowhere. */
export function sigmoid(x: Node): Node {
  return scale(add(tanh(scale(x, 0.5)), scalar(1)), 0.5);
}

/**
 * -y·log σ(x) - (1 - y)·log(1 - σ(x)), element by element, as max(x, 0) - x·y + log(1 + e^-|x|). Its derivative is a
 * rule of its own, σ(x) - y: that of the expansion is wrong at 0, where max and |x| have none.
 */
const sigmoidCrossEntropyOperation: Operation = {
  name: 'sigmoidCrossEntropy',
  infer(inputs) {
    const [x, y] = inputs;
    expectShapes(
      x.dtype === 'f32' && y.dtype === 'f32' && sameShape(x.shape, y.shape),
      'sigmoidCrossEntropy',
      'two f32 tensors of one shape',
      inputs,
    );
    return { dtype: 'f32', shape: x.shape };
  },
  expand([x, y]) {
    const magnitude = add(relu(x), relu(negate(x)));
    return add(subtract(relu(x), multiply(x, y)), log(add(exp(negate(magnitude)), scalar(1))));
  },
  gradient: ({ inputs: [x, y] }, dy) => [multiply(dy, subtract(sigmoid(x), y)), negate(multiply(dy, x))],
};

/** The cross-entropy of each decision: logits x and targets y from 0 to 1, of one shape. */
export function sigmoidCrossEntropy(x: Node, y: Node): Node {
  return apply(sigmoidCrossEntropyOperation, [x, y], {});
}

/** Its mean over all samples and labels, of shape (): PyTorch's BCEWithLogitsLoss. Logits and targets are (B, K). */
export function binaryCrossEntropy(logits: Node, targets: Node): Node {
  return meanOfAll(sigmoidCrossEntropy(logits, targets));
}
