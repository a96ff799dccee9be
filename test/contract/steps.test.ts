/**
 * Every call of a plan, on real activations: the WebAssembly kernels and the scalar ones start from the same memory,
 * and what they write is compared. Floats agree to 1e-5 of the largest. Quantized rows agree but for roundings of
 * floats that differ so little.
 */
import { describe, expect, it } from 'vitest';
import { absorb } from '../../cli/compress/absorb.ts';
import { type Description, pack } from '../../cli/compress/pack.ts';
import { quantizeTensors, WEIGHTS } from '../../cli/compress/quantize.ts';
import { storedTensors } from '../../cli/compress/stored-tensors.ts';
import type { Node } from '../../cli/graph/graph.ts';
import { readArtifact } from '../../runtime/artifact/artifact.ts';
import { fieldsOf, quantizedRowBytes, STEPS, type StepOp } from '../../runtime/artifact/steps.ts';
import { createEngineWith, type Inputs } from '../../runtime/engine/engine.ts';
import { instantiateKernels, type Kernels } from '../../runtime/kernels/kernels.ts';
import { referenceKernels } from '../../runtime/kernels/reference.ts';
import { smallBert, smallText, TOKENS, textDescription } from '../compress/small-bert.ts';
import { description, smallVit } from '../compress/small-vit.ts';
import { BUILDS, kernelsModule } from '../runtime/kernels-module.ts';
import { expectClose } from '../support/compare.ts';

interface Tally {
  readonly calls: Map<StepOp, number>;
  quantized: number;
  /** Quantized values that differ, by one. */
  differing: number;
}

/** The fast kernels, each call of which is compared with the scalar one on a copy of the memory. */
function comparedKernels(module: WebAssembly.Module, memory: WebAssembly.Memory, tally: Tally): Kernels {
  const pages = memory.buffer.byteLength / 65_536;
  const copy = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const fast = instantiateKernels(module, memory);
  const slow = referenceKernels(copy);
  const compared = Object.keys(STEPS).map((name) => {
    const op = name as StepOp;
    return [
      op,
      (...args: number[]): void => {
        new Uint8Array(copy.buffer).set(new Uint8Array(memory.buffer));
        (fast[op] as (...args: number[]) => void)(...args);
        (slow[op] as (...args: number[]) => void)(...args);
        tally.calls.set(op, (tally.calls.get(op) ?? 0) + 1);
        compare(op, args, memory.buffer, copy.buffer, tally);
      },
    ];
  });
  return { ...fast, ...Object.fromEntries(compared) } as Kernels;
}

/** Compares what a call wrote, told from its arguments as the table of steps orders them. */
function compare(op: StepOp, args: readonly number[], fast: ArrayBuffer, slow: ArrayBuffer, tally: Tally): void {
  const sizes: Record<string, number> = {};
  const places: { what: string; at: number; shape: readonly (string | ((s: Record<string, number>) => number))[] }[] =
    [];
  let next = 0;
  for (const [name, field] of fieldsOf(op)) {
    if (field.kind === 'buffer') {
      if (field.writes && args[next] !== 0) places.push({ what: name, at: args[next], shape: field.shape });
      next++;
    } else if (field.kind === 'tensor') {
      next += { plain: 1, packed: 1, int8: 2, table: 2, bias: 0 }[field.role];
    } else {
      sizes[name] = args[next++];
    }
  }
  expect(next).toBe(args.length);
  for (const { what, at, shape } of places) {
    const [rows, columns = 1] = shape.map((axis) => (typeof axis === 'string' ? sizes[axis] : axis(sizes)));
    if (what === 'quantized') compareRows(fast, slow, at, rows, columns, tally);
    else
      expectClose(
        new Float32Array(fast, at, rows * columns),
        new Float32Array(slow, at, rows * columns),
        1e-5,
        `${op}.${what}`,
      );
  }
}

function compareRows(
  fast: ArrayBuffer,
  slow: ArrayBuffer,
  at: number,
  rows: number,
  columns: number,
  tally: Tally,
): void {
  const stride = quantizedRowBytes(columns);
  for (let r = 0; r < rows; r++) {
    const [a, b] = [fast, slow].map((buffer) => new Uint8Array(buffer, at + r * stride, columns));
    const [scaleA, scaleB] = [fast, slow].map((buffer) => new Float32Array(buffer, at + (r + 1) * stride - 16, 1)[0]);
    expect(Math.abs(scaleA - scaleB)).toBeLessThanOrEqual(1e-5 * Math.abs(scaleB));
    for (let i = 0; i < columns; i++) {
      expect(Math.abs(a[i] - b[i])).toBeLessThanOrEqual(1);
      if (a[i] !== b[i]) tally.differing++;
    }
    tally.quantized += columns;
  }
}

interface Case {
  readonly name: string;
  readonly logits: Node;
  readonly values: ReadonlyMap<string, Float32Array>;
  readonly about: Description;
  readonly inputs: readonly Inputs[];
}

const { pixels } = smallVit('dense');
const pictures = [pixels, pixels.map((v) => 3 - v), pixels.map(() => 0), pixels.map((v) => 1e4 * v)].map((sample) => ({
  pixels: sample,
}));
const texts = [1, 3, 8, 11].map((tokens) => ({ ...smallText(tokens) }));
const cases: Case[] = [
  { name: 'a dense ViT', ...smallVit('dense'), about: description, inputs: pictures },
  { name: 'a low-rank ViT', ...smallVit('low-rank'), about: description, inputs: pictures },
  { name: 'a BERT', ...smallBert(), about: textDescription, inputs: texts },
  {
    name: 'a BERT whose words have factors',
    ...smallBert(TOKENS, { embeddingRank: 5 }),
    about: textDescription,
    inputs: texts,
  },
];

describe.each(BUILDS)('%s: every call agrees with the scalar kernels', (build) => {
  it.each(cases)('in $name', async ({ logits, values, about, inputs }) => {
    const module = await kernelsModule(build);
    const { logits: absorbed, derive } = absorb(logits);
    const stored = derive(storedTensors(logits, values));
    for (const tensors of [stored, ...WEIGHTS.map((weights) => quantizeTensors(stored, absorbed, weights))]) {
      const tally: Tally = { calls: new Map(), quantized: 0, differing: 0 };
      const artifact = await readArtifact(await pack(absorbed, tensors, about));
      const engine = createEngineWith(artifact, (memory) => comparedKernels(module, memory, tally));
      for (const sample of inputs) engine.infer(sample);
      expect([...tally.calls.values()].reduce((a, b) => a + b, 0)).toBe(
        inputs.length * artifact.manifest.plan.steps.length,
      );
      if (tensors === stored) continue;
      expect(tally.quantized).toBeGreaterThan(1000);
      expect(tally.differing / tally.quantized).toBeLessThan(1e-3);
    }
  });
});
