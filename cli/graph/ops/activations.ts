/**
 * The activations of pre-trained models beside `gelu`, `relu` and `tanh`: composites of other operations, whose
 * gradients are those of their expansions. Each is one kernel of the edge runtime, by the name of its operation.
 */
import { apply, expectShapes, type Node, type Operation } from '../graph.ts';
import { add, divide, multiply, scale, subtract } from './binary.ts';
import { scalar } from './leaf.ts';
import { relu } from './relu.ts';
import { negate, sigmoid } from './unary.ts';

function composite(name: string, expand: (x: Node) => Node): (x: Node) => Node {
  const operation: Operation = {
    name,
    infer(inputs) {
      expectShapes(inputs[0].dtype === 'f32', name, 'an f32 tensor', inputs);
      return { dtype: 'f32', shape: inputs[0].shape };
    },
    expand: ([x]) => expand(x),
  };
  return (x) => apply(operation, [x], {});
}

/** x·σ(x) (Elfwing, Uchibe, Doya 2017; Ramachandran, Zoph, Le 2017 as swish). */
export const silu = composite('silu', (x) => multiply(x, sigmoid(x)));

/** x·σ(1.702·x), OpenAI's GELU of CLIP. */
export const quickGelu = composite('quickGelu', (x) => multiply(x, sigmoid(scale(x, 1.702))));

/**
 * x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³))), the GELU by tanh (Hendrycks, Gimpel 2016), as x·σ of twice what tanh takes.
 */
export const geluTanh = composite('geluTanh', (x) => {
  const cubic = multiply(x, add(scale(multiply(x, x), 0.044715), scalar(1)));
  return multiply(x, sigmoid(scale(cubic, 2 * Math.sqrt(2 / Math.PI))));
});

/** x·tanh(ln(1 + eˣ)) (Misra 2019). With t = σ(-x) it is x·(1 - t²)/(1 + t²), where nothing overflows. */
export const mish = composite('mish', (x) => {
  const t = sigmoid(negate(x));
  const square = multiply(t, t);
  return multiply(x, divide(subtract(scalar(1), square), add(square, scalar(1))));
});

/** x kept from 0 to 6. */
export const relu6 = composite('relu6', (x) => subtract(relu(x), relu(subtract(x, scalar(6)))));

/** The larger of x and 0, squared (So et al. 2021). */
export const reluSquared = composite('reluSquared', (x) => multiply(relu(x), relu(x)));

/** x above 0, x/100 below. */
export const leakyRelu = composite('leakyRelu', (x) => subtract(relu(x), scale(relu(negate(x)), 0.01)));

/** x·relu6(x + 3)/6 (Howard et al. 2019). */
export const hardSwish = composite('hardSwish', (x) => multiply(x, scale(relu6(add(x, scalar(3))), 1 / 6)));
