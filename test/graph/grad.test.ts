import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Engine, evaluate, floats } from '../../cli/engines/engine.ts';
import { gradients } from '../../cli/graph/grad.ts';
import { type Node, ShapeError, topological } from '../../cli/graph/graph.ts';
import { add, minimum, multiply, scale } from '../../cli/graph/ops/binary.ts';
import { input } from '../../cli/graph/ops/leaf.ts';
import { linear } from '../../cli/graph/ops/linear.ts';
import { sumOfAll } from '../../cli/graph/ops/reduce.ts';
import { exp } from '../../cli/graph/ops/unary.ts';
import { expectClose } from '../support/compare.ts';
import { onnxEngine } from '../support/engines.ts';

const x = input('x', [3]);
const y = input('y', [3]);

describe('gradients refuse', () => {
  const wrong: [message: string, loss: Node, targets: Node[]][] = [
    ['gradients: expected a loss of shape (), got (3)', x, [x]],
    ['gradients: the loss does not depend on target 1 (y)', sumOfAll(x), [x, y]],
    ['gradients: the loss does not depend on target 0 (exp)', sumOfAll(x), [exp(x)]],
    ['gradients: operation minimum has no gradient', sumOfAll(minimum(x, y)), [x]],
  ];
  it.each(wrong)('%s', (message, loss, targets) => {
    expect(() => gradients(loss, targets)).toThrow(ShapeError);
    expect(() => gradients(loss, targets)).toThrow(message);
  });
});

it('does not ask an operation off the way for a gradient', () => {
  const [dx] = gradients(sumOfAll(multiply(x, minimum(y, y))), [x]);
  expect(dx.shape).toEqual([3]);
});

it('leaves untouched what no target influences', () => {
  const frozen = exp(y);
  const order = topological(gradients(sumOfAll(multiply(x, frozen)), [x]));
  expect(order).toContain(frozen);
  // d exp is a product of exp with its gradient: nothing but x's gradient may be computed from it.
  expect(order.filter(({ inputs }) => inputs.includes(frozen))).toHaveLength(1);
});

describe('gradients that are summed', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await onnxEngine();
  });
  afterAll(() => engine.dispose());

  const values = [0.5, -1, 2];
  async function gradientOf(loss: Node, target: Node): Promise<ArrayLike<number>> {
    const { dx } = await evaluate(
      engine,
      { outputs: { dx: gradients(loss, [target])[0] } },
      { x: floats(Float32Array.from(values), [3]) },
    );
    return dx.data;
  }

  it('over two uses of a node', async () => {
    // x² + 3x + e^x
    const loss = sumOfAll(add(add(multiply(x, x), scale(x, 3)), exp(x)));
    expectClose(
      await gradientOf(loss, x),
      values.map((v) => 2 * v + 3 + Math.exp(v)),
      1e-6,
      'dx',
    );
  });

  it('over two uses of a value in between', async () => {
    // (e^x)² + e^x
    const power = exp(x);
    expectClose(
      await gradientOf(sumOfAll(add(multiply(power, power), power)), x),
      values.map((v) => 2 * Math.exp(2 * v) + Math.exp(v)),
      1e-6,
      'dx',
    );
    expectClose(
      await gradientOf(sumOfAll(add(multiply(power, power), power)), power),
      values.map((v) => 2 * Math.exp(v) + 1),
      1e-6,
      'd power',
    );
  });

  it('of gradients', async () => {
    // d²(x³)/dx² = 6x
    const [dx] = gradients(sumOfAll(multiply(multiply(x, x), x)), [x]);
    expectClose(
      await gradientOf(sumOfAll(dx), x),
      values.map((v) => 6 * v),
      1e-6,
      'second derivative',
    );
  });

  it('and a loss is its own target', async () => {
    const loss = sumOfAll(x);
    expect([...Array.from(await gradientOf(loss, loss))]).toEqual([1]);
  });
});

it('differentiates a composite through its expansion', () => {
  const weight = input('w', [2, 3]);
  const loss = sumOfAll(linear(input('rows', [5, 3]), weight, input('b', [2]), 'layer'));
  const [dw] = gradients(loss, [weight]);
  expect(dw.shape).toEqual([2, 3]);
  expect(topological([dw]).map(({ operation }) => operation.name)).not.toContain('linear');
});
