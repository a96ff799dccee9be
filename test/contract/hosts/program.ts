/**
 * What runs on every host: engines of the artifacts that it is sent, on every build of the kernels that the host can
 * run.
 */
import { readArtifact } from '../../../runtime/artifact/artifact.ts';
import { createEngine, type Inputs } from '../../../runtime/engine/engine.ts';
import { supportsRelaxedSimd } from '../../../runtime/kernels/select.ts';

/** The builds of the kernels, by what they need of a host. */
const SUPPORTED = {
  simd128: () => true,
  relaxed: supportsRelaxedSimd,
  relaxedPairs: supportsRelaxedSimd,
} satisfies Record<string, () => boolean>;

export type Build = keyof typeof SUPPORTED;

/** An artifact and inputs for it, as JSON can carry them to another process without changing a bit. */
export interface HostCase {
  readonly name: string;
  /** In base64. */
  readonly artifact: string;
  readonly inputs: readonly InputBits[];
}

/** A sample: the bits of each input's values, and whether they are f32 or i32. */
export type InputBits = Readonly<Record<string, { readonly dtype: 'F32' | 'I32'; readonly bits: readonly number[] }>>;

export interface HostRequest {
  readonly cases: readonly HostCase[];
  /** Those that were built; a host runs the ones of them that it supports. */
  readonly builds: readonly Build[];
}

/** By build and case, the bits of the logits for each input. */
export type HostAnswer = Partial<Record<Build, Record<string, number[][]>>>;

/** Runs every case on every build that this host supports. `compiled` gets a build the way the host allows. */
export async function answer(
  { cases, builds }: HostRequest,
  compiled: (build: Build) => Promise<WebAssembly.Module>,
): Promise<HostAnswer> {
  const logits: HostAnswer = {};
  for (const build of builds.filter((name) => SUPPORTED[name]())) {
    const module = await compiled(build);
    const results = await Promise.all(cases.map(async (one) => [one.name, await runCase(one, module)] as const));
    logits[build] = Object.fromEntries(results);
  }
  return logits;
}

async function runCase({ artifact, inputs }: HostCase, module: WebAssembly.Module): Promise<number[][]> {
  const engine = createEngine(await readArtifact(bytesOf(artifact)), module);
  return inputs.map((sample) => bitsOf(engine.infer(inputsOf(sample))));
}

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

function inputsOf(sample: InputBits): Inputs {
  const values = ({ dtype, bits }: InputBits[string]): Float32Array | Int32Array =>
    dtype === 'I32' ? Int32Array.from(bits) : floatsOf(bits);
  return Object.fromEntries(Object.entries(sample).map(([name, input]) => [name, values(input)]));
}

/** The bits of f32 values. */
export function bitsOf(values: Float32Array): number[] {
  return [...new Uint32Array(values.buffer, values.byteOffset, values.length)];
}

/** The f32 values that have these bits. */
export function floatsOf(bits: readonly number[]): Float32Array {
  return new Float32Array(Uint32Array.from(bits).buffer);
}
