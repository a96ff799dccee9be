/** What is xla's own: precision, tensors in flight, memory, and modules. The contract suite holds what all engines do. */
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Engine, evaluate, floats, type HostTensor } from '../../cli/engines/engine.ts';
import type { Precision } from '../../cli/engines/precision.ts';
import { cudnnAttention } from '../../cli/engines/xla/cudnn-attention.ts';
import { lowerToStableHlo } from '../../cli/engines/xla/lower.ts';
import { gradients } from '../../cli/graph/grad.ts';
import type { Node } from '../../cli/graph/graph.ts';
import { type AttentionSizes, attention } from '../../cli/graph/ops/attention.ts';
import { add, scale } from '../../cli/graph/ops/binary.ts';
import { gemm } from '../../cli/graph/ops/gemm.ts';
import { input } from '../../cli/graph/ops/leaf.ts';
import { linear } from '../../cli/graph/ops/linear.ts';
import { sumOfAll } from '../../cli/graph/ops/reduce.ts';
import { softmax } from '../../cli/graph/ops/softmax.ts';
import { evaluationBatch } from '../../cli/train/evaluate.ts';
import { random } from '../../runtime/random.ts';
import { skipNote } from '../contract/hosts/installed.ts';
import { relativeError } from '../support/compare.ts';
import { python, withoutPython } from '../support/python.ts';
import { createTestXlaEngine, withoutGpu, withoutSeveral, withoutXla } from '../support/xla.ts';

const withoutJax = withoutPython('jax');

describe('a module', () => {
  const x = input('x', [2, 8]);
  const text = (precision: Precision, donated?: Record<string, string>): string =>
    lowerToStableHlo({ outputs: { y: gemm(x, x, null, { transB: true }), x: scale(x, 2) } }, { precision, donated })
      .text;

  it('is the same whatever the inputs and outputs are called', () => {
    const other = input('other', x.shape);
    expect(lowerToStableHlo({ outputs: { z: add(other, other) } }, { precision: 'f32' }).text).toBe(
      lowerToStableHlo({ outputs: { y: add(x, x) } }, { precision: 'f32' }).text,
    );
  });

  it('says what products take', () => {
    expect(text('f32')).toContain('#stablehlo<precision HIGHEST>');
    expect(text('tf32')).toContain('#stablehlo<precision DEFAULT>');
    expect(text('bf16')).toContain('(tensor<2x8xbf16>, tensor<2x8xbf16>) -> tensor<2x2xbf16>');
  });

  it('computes the gradient of a weight, a sum over the batch, to f32', () => {
    const weight = input('w', [16, 8]);
    const [gradient] = gradients(sumOfAll(linear(x, weight, null, 'layer')), [weight]);
    const { text } = lowerToStableHlo({ outputs: { gradient } }, { precision: 'bf16' });
    expect(text).toMatch(/dot_general.*xbf16>\) -> tensor<16x8xf32>/);
  });

  it('fills rows of bf16 that no whole loads read, and cuts the product to its size', () => {
    const odd = [input('a', [4, 13]), input('b', [5, 13])] as const;
    const { text } = lowerToStableHlo({ outputs: { y: gemm(...odd, null, { transB: true }) } }, { precision: 'bf16' });
    expect(text).toContain('(tensor<4x16xbf16>, tensor<5x16xbf16>) -> tensor<4x5xbf16>');
    const exact = lowerToStableHlo({ outputs: { y: gemm(...odd, null, { transB: true }) } }, { precision: 'f32' });
    expect(exact.text).not.toContain('stablehlo.pad');
  });

  it('adds a bias within a thin product of bf16, and beside others', () => {
    const written = (inner: number, precision: Precision): string => {
      const [a, b, bias] = [input('a', [8, inner]), input('b', [256, inner]), input('c', [256])];
      return lowerToStableHlo({ outputs: { y: gemm(a, b, bias, { transB: true }) } }, { precision }).text;
    };
    expect(written(32, 'bf16')).toContain('(tensor<8x40xbf16>, tensor<256x40xbf16>) -> tensor<8x256xbf16>');
    for (const text of [written(64, 'bf16'), written(32, 'f32')]) expect(text).toMatch(/"stablehlo.add".*8x256xf32/);
  });

  it('leaves all but products in f32', () => {
    expect(lowerToStableHlo({ outputs: { y: softmax(x) } }, { precision: 'bf16' }).text).not.toContain('bf16');
  });

  it('writes a value once, however often it is asked for', () => {
    expect(lowerToStableHlo({ outputs: { y: add(scale(x, 3), scale(x, 3)) } }, { precision: 'f32' }).text).toMatch(
      /^(?:(?!multiply)[\s\S])*multiply(?:(?!multiply)[\s\S])*$/,
    );
  });

  it('tells which output takes over the memory of an input', () => {
    expect(text('f32', { x: 'x' })).toContain('%arg0: tensor<2x8xf32> {tf.aliasing_output = 1 : i32}');
    expect(text('f32')).not.toContain('aliasing');
  });
});

describe("cuDNN's attention", () => {
  const [batch, heads] = [2, 3];
  /** Of so many tokens and so wide a head, with the gradients of its inputs. */
  const text = (
    tokens: number,
    width: number,
    sizes: Partial<AttentionSizes> = {},
    mask: Node | null = null,
  ): string => {
    const { queries = tokens, keyHeads = heads } = sizes;
    const query = input('query', [batch * queries, heads * width]);
    const [key, value] = ['key', 'value'].map((name) => input(name, [batch * tokens, keyHeads * width]));
    const mixed = attention(query, key, value, mask, { batch, tokens, heads, ...sizes });
    const given = gradients(sumOfAll(mixed), [query, key, value]);
    const outputs = Object.fromEntries([mixed, ...given].map((node, i) => [String(i), node]));
    return lowerToStableHlo({ outputs }, { precision: 'bf16', fused: cudnnAttention() }).text;
  };
  const count = (module: string, pattern: RegExp): number => [...module.matchAll(pattern)].length;

  it('is called once forward and once backward, and no scores are written', () => {
    const module = text(197, 64);
    expect(count(module, /"__cudnn\$fmhaSoftmax"/g)).toBe(1);
    expect(count(module, /"__cudnn\$fmhaSoftmaxBackward"/g)).toBe(1);
    expect(module).not.toContain('197x197');
    expect(module).not.toContain('dot_general');
  });

  it('takes tokens in eights, and is told how many there are', () => {
    expect(text(197, 64)).toContain(
      '(tensor<2x200x3x64xbf16>, tensor<2x200x3x64xbf16>, tensor<2x200x3x64xbf16>, tensor<2xi32>, tensor<2xi32>) -> ' +
        '(tensor<2x3x200x64xbf16>, tensor<2x3x200xf32>, tensor<0xui8>)',
    );
    expect(text(197, 64)).toContain('dense<197> : tensor<2xi32>');
    expect(text(200, 64)).not.toContain('stablehlo.pad');
  });

  it('counts the tokens of a mask', () => {
    const module = text(16, 64, {}, input('mask', [batch, 16]));
    expect(module).toMatch(/stablehlo\.reduce.*tensor<2x16xf32>/);
    expect(module).toMatch(/stablehlo\.convert.*\(tensor<2xf32>\) -> tensor<2xi32>/);
  });

  it.each([
    ['heads of 60', 60, {}],
    ['heads of 136', 136, {}],
    ['fewer queries than tokens', 64, { queries: 1 }],
    ['keys that heads share', 64, { keyHeads: 1 }],
  ])('is not for %s', (_, width, sizes) => {
    const module = text(16, width, sizes);
    expect(module).not.toContain('cudnn');
    expect(count(module, /dot_general/g)).toBe(6);
  });

  it.skipIf(withoutJax !== null)(`is StableHLO, by JAX's parser${skipNote(withoutJax)}`, () => {
    const script = [
      'import sys',
      'from jax._src.interpreters import mlir',
      'from jaxlib.mlir import ir',
      'with mlir.make_ir_context(): ir.Module.parse(sys.stdin.read()).operation.verify()',
    ].join('\n');
    execFileSync(python!, ['-c', script], { input: text(197, 64, {}, input('mask', [batch, 197])) });
  });
});

describe.skipIf(withoutSeveral !== null)(`xla on several devices${skipNote(withoutSeveral)}`, () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createTestXlaEngine({ devices: 4 });
  });
  afterAll(() => engine.dispose());
  const values = (...shape: number[]): HostTensor =>
    floats(
      Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => Math.sin(i)),
      shape,
    );

  it('says how many', () => {
    expect(engine.description).toMatch(/^xla \(4 × /);
  });

  it('refuses more than there are', async () => {
    await expect(createTestXlaEngine({ devices: 1000 })).rejects.toMatchObject({
      message: expect.stringMatching(/^--devices 1000: \w+ has \d+ here$/),
    });
  });

  it.each([
    [8, 'a part each'],
    [4, 'one each'],
    [6, 'a copy each, for they are not to be cut evenly'],
  ])('computes of %i samples, %s, what one computes', async (samples) => {
    const [x, w] = [values(samples, 5), values(5, 3)];
    const product = gemm(input('x', [samples, 5]), input('w', [5, 3]), null);
    const graph = {
      outputs: { rows: product, gradient: gemm(input('x', [samples, 5]), product, null, { transA: true }) },
    };
    const program = await engine.compile(graph, { batched: ['x', 'absent'] });
    const given = { x: engine.upload(x, { batched: true }), w: engine.upload(w) };
    const outputs = await program.run(given);
    const one = await createTestXlaEngine();
    const expected = await evaluate(one, graph, { x, w });
    for (const name of ['rows', 'gradient'])
      expect(relativeError(await outputs[name].read(), expected[name].data)).toBeLessThan(1e-6);
    expect([...(await given.x.read())], 'what was uploaded').toEqual([...x.data]);
    expect([...(await outputs.rows.read())]).toHaveLength(samples * 3);
    await program.dispose();
    await one.dispose();
  });

  it('has a batch of an evaluation that three share evenly', async () => {
    const three = await createTestXlaEngine({ devices: 3 });
    expect(three.deviceCount).toBe(3);
    expect([evaluationBatch({}), evaluationBatch(engine), evaluationBatch(three)]).toEqual([64, 64, 66]);
    await three.dispose();
  });

  it('updates a state in place on each', async () => {
    const program = await engine.compile({ outputs: { x: scale(input('x', [3]), 2) } }, { donated: { x: 'x' } });
    let x = engine.upload(values(3));
    for (let step = 0; step < 3; step++) x = (await program.run({ x })).x;
    expect([...(await x.read())]).toEqual([...values(3).data].map((value) => Math.fround(8 * value)));
    await program.dispose();
  });

  it('does not take a batch that lies otherwise than the program was compiled for', async () => {
    const program = await engine.compile({ outputs: { y: scale(input('x', [4]), 2) } }, { batched: ['x'] });
    await expect(program.run({ x: engine.upload(values(4)) })).rejects.toThrow(
      'xla: input x was compiled for parts and lies in copies',
    );
    await program.dispose();
  });
});

describe.skipIf(withoutXla !== null)(`the xla engine${skipNote(withoutXla)}`, () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createTestXlaEngine();
  });
  afterAll(() => engine.dispose());
  const vector = (...values: number[]) => floats(Float32Array.from(values), [values.length]);

  it('computes in f32 on a CPU unless asked, and in bf16 on a GPU', () => {
    expect([engine.name, engine.precision]).toEqual(['xla', withoutGpu === null ? 'bf16' : 'f32']);
  });

  it.each([
    ['f32', 0, 1e-6],
    ['tf32', 0, 1e-3],
    ['bf16', 1e-4, 1e-2],
  ] as const)('rounds products of %s by more than %f and less than %f', async (precision, least, most) => {
    const source = random(1);
    const [M, K, N] = [16, 64, 8];
    const values = (size: number) => Float32Array.from({ length: size }, () => source.normal());
    const [a, b] = [values(M * K), values(K * N)];
    const exact = Array.from({ length: M * N }, (_, i) =>
      Array.from({ length: K }, (_, k) => a[Math.floor(i / N) * K + k] * b[k * N + (i % N)]).reduce((x, y) => x + y),
    );
    const other = await createTestXlaEngine({ precision });
    const { y } = await evaluate(
      other,
      { outputs: { y: gemm(input('a', [M, K]), input('b', [K, N]), null) } },
      { a: floats(a, [M, K]), b: floats(b, [K, N]) },
    );
    await other.dispose();
    const error = relativeError(y.data, exact);
    expect(error).toBeGreaterThanOrEqual(least);
    expect(error).toBeLessThan(most);
  });

  it('lets inputs be disposed of while a run is under way', async () => {
    const program = await engine.compile({ outputs: { y: scale(input('x', [3]), 2) } });
    const runs = Array.from({ length: 20 }, async (_, i) => {
      const given = engine.upload(vector(i, 2 * i, 3 * i));
      const running = program.run({ x: given });
      given.dispose();
      return [...(await (await running).y.read())];
    });
    expect(await Promise.all(runs)).toEqual(runs.map((_, i) => [2 * i, 4 * i, 6 * i]));
    await program.dispose();
  });

  it('refuses to read what was donated', async () => {
    const program = await engine.compile({ outputs: { x: scale(input('x', [3]), 2) } }, { donated: { x: 'x' } });
    const given = engine.upload(vector(1, 2, 3));
    const { x } = await program.run({ x: given });
    expect([...(await x.read())]).toEqual([2, 4, 6]);
    await expect(given.read()).rejects.toThrow(/donated|deleted/);
    await program.dispose();
  });

  it('waits for what is under way before it ends', async () => {
    const other = await createTestXlaEngine();
    const compiling = other.compile({ outputs: { y: softmax(input('x', [64, 64])) } });
    await other.dispose();
    const program = await compiling;
    await expect(program.run({})).rejects.toThrow('xla: input x is missing');
    await program.dispose();
    await expect(other.compile({ outputs: { y: input('x', [3]) } })).rejects.toThrow('the engine is closed');
  });
});
