/** The relation loss and its gradients against PyTorch's, on queries, keys and values of two padded sequences. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Engine, evaluate, floats } from '../../cli/engines/engine.ts';
import { gradients } from '../../cli/graph/grad.ts';
import { attention } from '../../cli/graph/ops/attention.ts';
import { input } from '../../cli/graph/ops/leaf.ts';
import { lastAttention, relationLoss } from '../../cli/pclora/relations.ts';
import { expectClose } from '../support/compare.ts';
import { onnxEngine } from '../support/engines.ts';

const { relations } = JSON.parse(readFileSync(new URL('../golden/fixtures/losses.json', import.meta.url), 'utf8')) as {
  readonly relations: {
    readonly shape: readonly [batch: number, tokens: number, heads: number, width: number];
    readonly mask: readonly number[];
    readonly student: readonly number[];
    readonly teacher: readonly number[];
    readonly loss: number;
    readonly gradient: readonly number[];
  };
};
const [batch, tokens, heads, width] = relations.shape;
const [rows, columns] = [batch * tokens, heads * width];
const mask = input('mask', [batch, tokens]);

let engine: Engine;
beforeAll(async () => {
  engine = await onnxEngine();
});
afterAll(() => engine.dispose());

const namesOf = (of: string): string[] => ['query', 'key', 'value'].map((part) => `${of}.${part}`);
const attentionOf = (of: string) => {
  const [query, key, value] = namesOf(of).map((name) => input(name, [rows, columns]));
  return lastAttention(attention(query, key, value, mask, { batch, tokens, heads }));
};

it('has the value and the gradient that PyTorch gives', async () => {
  const [student, teacher] = [attentionOf('student'), attentionOf('teacher')];
  const loss = relationLoss(student, teacher, mask);
  const moved = gradients(loss, student.inputs.slice(0, 3));
  const feeds = (['student', 'teacher'] as const).flatMap((of) =>
    namesOf(of).map((name, i) => {
      const values = relations[of].slice(i * rows * columns, (i + 1) * rows * columns);
      return [name, floats(Float32Array.from(values), [rows, columns])] as const;
    }),
  );
  const results = await evaluate(
    engine,
    { outputs: { loss, ...Object.fromEntries(moved.map((gradient, i) => [`${i}`, gradient])) } },
    { ...Object.fromEntries(feeds), mask: floats(Float32Array.from(relations.mask), [batch, tokens]) },
  );
  expectClose(results.loss.data, [relations.loss], 1e-6, 'loss');
  [0, 1, 2].forEach((i) =>
    expectClose(
      results[i].data,
      relations.gradient.slice(i * rows * columns, (i + 1) * rows * columns),
      1e-5,
      `gradient ${i}`,
    ),
  );
});

it('is 0 of a teacher against itself', async () => {
  const teacher = attentionOf('teacher');
  const feeds = namesOf('teacher').map((name, i) => {
    const values = relations.teacher.slice(i * rows * columns, (i + 1) * rows * columns);
    return [name, floats(Float32Array.from(values), [rows, columns])] as const;
  });
  const { loss } = await evaluate(
    engine,
    { outputs: { loss: relationLoss(teacher, attentionOf('teacher'), mask) } },
    { ...Object.fromEntries(feeds), mask: floats(Float32Array.from(relations.mask), [batch, tokens]) },
  );
  expect(loss.data[0]).toBeCloseTo(0, 6);
});
