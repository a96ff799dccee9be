/**
 * Spoiled artifacts by the thousand. Each is refused with an ArtifactError or becomes an engine that answers, within a
 * second, and that neither writes outside its memory's parts nor lets anything but weights and inputs change its
 * answer.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pack } from '../../../cli/compress/pack.ts';
import { quantizeTensors } from '../../../cli/compress/quantize.ts';
import { storedTensors } from '../../../cli/compress/stored-tensors.ts';
import { type Artifact, readArtifact } from '../../../runtime/artifact/artifact.ts';
import { ArtifactError } from '../../../runtime/artifact/errors.ts';
import type { Limits } from '../../../runtime/artifact/plan.ts';
import { memoryLayout } from '../../../runtime/artifact/plan-memory.ts';
import { elementCount } from '../../../runtime/artifact/safetensors.ts';
import { createEngineWith, type EngineInput, type Inputs } from '../../../runtime/engine/engine.ts';
import { instantiateKernels } from '../../../runtime/kernels/kernels.ts';
import { smallBert, textDescription } from '../../compress/small-bert.ts';
import { description, smallVit } from '../../compress/small-vit.ts';
import { kernelsModule } from '../kernels-module.ts';
import { ATTACKS } from './attacks.ts';

/**
 * The same artifacts every time, unless asked for others:
 * `SLIM_FUZZ_SEED=$RANDOM SLIM_FUZZ_RUNS=1000000 npx vitest ...`.
 */
const SEED = Number(process.env.SLIM_FUZZ_SEED ?? 20_26);
const RUNS = Number(process.env.SLIM_FUZZ_RUNS ?? 20_000);
const MAX_MS = 1000;

/** Small, so that what a spoiled artifact may cost is small too. */
const LIMITS: Limits = { memoryBytes: 2 ** 25, operations: 2e7 };

const module = await kernelsModule();
const { logits, values } = smallVit('low-rank');
const stored = storedTensors(logits, values);
const text = smallBert();
const SUBJECTS = {
  int8: await pack(logits, quantizeTensors(stored, logits), description),
  f32: await pack(logits, stored, description),
  int4: await pack(
    text.logits,
    quantizeTensors(storedTensors(text.logits, text.values), text.logits, 'int4'),
    textDescription,
  ),
  text: await pack(text.logits, quantizeTensors(storedTensors(text.logits, text.values), text.logits), textDescription),
};

interface Outcome {
  /** An error's code, or `answered`. */
  readonly name: string;
  readonly ms: number;
}

const outcomes = new Map<string, Outcome[]>();
const totalWeight = ATTACKS.reduce((sum, { weight }) => sum + weight, 0);

describe.each(['int8', 'int4', 'f32', 'text'] as const)('an %s artifact spoiled by', (subject) => {
  it.each(ATTACKS)('$name', async ({ name, weight, spoil }) => {
    const seen: Outcome[] = [];
    const property = fc.asyncProperty(spoil(SUBJECTS[subject]), async (spoiled) => {
      seen.push(await outcomeOf(await spoiled));
    });
    await fc.assert(property, { seed: SEED, numRuns: Math.ceil((RUNS / 4) * (weight / totalWeight)) });
    outcomes.set(`${name} (${subject})`, seen);
  });
});

it('reaches all of the reader: enough artifacts, refused in many ways, and many that are accepted', () => {
  const all = [...outcomes.values()].flat();
  const slowest = Math.max(...all.map(({ ms }) => ms));
  const lines = [...outcomes].map(([name, seen]) => `  ${name}: ${tally(seen)}`);
  console.log(
    [`fuzzing: seed ${SEED}, ${all.length} spoiled artifacts, slowest ${slowest.toFixed()} ms`, ...lines].join('\n'),
  );
  expect(all.length).toBeGreaterThanOrEqual(RUNS);
  expect(all.filter(({ name }) => name === 'answered').length).toBeGreaterThan(RUNS / 20);
  expect(new Set(all.map(({ name }) => name)).size).toBeGreaterThan(10);
});

async function outcomeOf(bytes: Uint8Array): Promise<Outcome> {
  const start = performance.now();
  const name = await refusedOrAnswered(bytes);
  const ms = performance.now() - start;
  expect(ms).toBeLessThan(MAX_MS);
  return { name, ms };
}

async function refusedOrAnswered(bytes: Uint8Array): Promise<string> {
  try {
    const artifact = await readArtifact(bytes, LIMITS);
    const answer = answerAmid(artifact, 0);
    expect(answer).toHaveLength(artifact.manifest.labels.length);
    expect(new Uint8Array(answerAmid(artifact, 0xff).buffer)).toEqual(new Uint8Array(answer.buffer));
    return 'answered';
  } catch (error) {
    if (error instanceof ArtifactError) return error.code;
    throw error;
  }
}

/**
 * The answer of an engine whose memory is filled with a byte where neither tensors nor arena are. What no step may
 * write stays.
 */
function answerAmid(artifact: Artifact, filler: number): Float32Array {
  const {
    weights,
    unpacked,
    arena,
    scratch,
    bytes: end,
  } = memoryLayout(artifact.data.length, artifact.manifest.plan, artifact.entries);
  const weightsEnd = weights + artifact.data.length;
  let memory = new Uint8Array();
  let constants = new Uint8Array();
  const engine = createEngineWith(artifact, (linear) => {
    memory = new Uint8Array(linear.buffer);
    memory.fill(filler, 0, weights).fill(filler, weightsEnd, arena).fill(filler, scratch);
    const kernels = instantiateKernels(module, linear);
    constants = memory.slice(0, weights);
    return kernels;
  });
  const answer = engine.infer(Object.fromEntries(engine.inputs.map((input) => [input.name, valuesFor(input)])));
  expect(Buffer.compare(memory.subarray(0, weights), constants)).toBe(0);
  expect(Buffer.compare(memory.subarray(weights, weightsEnd), artifact.data)).toBe(0);
  for (const outside of [memory.subarray(weightsEnd, unpacked), memory.subarray(end)]) {
    expect(Buffer.compare(outside, new Uint8Array(outside.length).fill(filler))).toBe(0);
  }
  return answer;
}

function valuesFor({ dtype, shape }: EngineInput): Inputs[string] {
  const count = elementCount(shape);
  return dtype === 'I32' ? new Int32Array(count) : new Float32Array(count).fill(0.5);
}

/** How often each outcome came. */
function tally(seen: readonly Outcome[]): string {
  const counts = new Map<string, number>();
  for (const { name } of seen) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ');
}
