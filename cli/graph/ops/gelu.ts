import { apply, expectShapes, type Node, type Operation } from '../graph.ts';
import { add, multiply, scale } from './binary.ts';
import { scalar } from './leaf.ts';
import { erf, exp, negate } from './unary.ts';

/** Φ(x), the standard normal's distribution function, from u = x/√2. */
function normalCdf(u: Node): Node {
  return scale(add(erf(u), scalar(1)), 0.5);
}

const geluOperation: Operation = {
  name: 'gelu',
  infer(inputs) {
    expectShapes(inputs[0].dtype === 'f32', 'gelu', 'an f32 tensor', inputs);
    return { dtype: 'f32', shape: inputs[0].shape };
  },
  expand: ([x]) => multiply(x, normalCdf(scale(x, Math.SQRT1_2))),
  gradient({ inputs: [x] }, dy) {
    // d(x·Φ(x))/dx = Φ(x) + x·φ(x); with u = x/√2, 2·(that) = 1 + erf(u) + 2/√π·u·e^(-u²).
    const u = scale(x, Math.SQRT1_2);
    const density = scale(multiply(u, exp(negate(multiply(u, u)))), 2 / Math.sqrt(Math.PI));
    return [multiply(scale(dy, 0.5), add(add(erf(u), density), scalar(1)))];
  },
  onnx(writer, [x]) {
    if (writer.opset >= 20) return writer.node('Gelu', [x]);
    const number = (value: number): string => writer.floats(Float32Array.of(value), []);
    const erfOf = writer.node('Erf', [writer.node('Mul', [x, number(Math.SQRT1_2)])]);
    const twice = writer.node('Mul', [x, writer.node('Add', [erfOf, number(1)])]);
    return writer.node('Mul', [twice, number(0.5)]);
  },
};

/** x·Φ(x), the exact (erf) form (Hendrycks, Gimpel 2016). */
export function gelu(x: Node): Node {
  return apply(geluOperation, [x], {});
}
