/** The training engines as tests take them: one thread, so that runs are repeatable; nothing is brought, for `npm ci` has it. */
import { describe } from 'vitest';
import type { Engine } from '../../cli/engines/engine.ts';
import { createOnnxEngine } from '../../cli/engines/onnx/engine.ts';
import { createTfjsEngine } from '../../cli/engines/tfjs/engine.ts';
import { skipNote } from '../contract/hosts/installed.ts';
import { createTestWebgpuEngine, withoutWebgpu } from './webgpu.ts';
import { createTestXlaEngine, withoutXla } from './xla.ts';

export const engineIo = { stderr: process.stderr, signal: new AbortController().signal };

export const onnxEngine = (): Promise<Engine> => createOnnxEngine({ threads: 1 }, engineIo);
export const tfjsEngine = (): Promise<Engine> => createTfjsEngine({ gpu: true }, engineIo);

/** An engine of a suite that all of them pass. */
export interface TestEngine {
  /** An EngineName, or of what kind it is beside that. */
  readonly name: string;
  readonly create: () => Promise<Engine>;
  /** Why it can't be tested here; null where it can. */
  readonly absent: string | null;
}

/** Those that SLIM_TEST_ENGINES names, where it does: on a machine that has no others. */
const named = process.env.SLIM_TEST_ENGINES?.split(',') ?? null;

/** All of them, onnx first: the others are compared with it. */
export const TEST_ENGINES: readonly TestEngine[] = [
  { name: 'onnx', create: onnxEngine, absent: null },
  { name: 'tfjs', create: tfjsEngine, absent: null },
  { name: 'xla', create: () => createTestXlaEngine({ precision: 'f32' }), absent: withoutXla },
  { name: 'webgpu', create: createTestWebgpuEngine, absent: withoutWebgpu },
].map((engine) =>
  named === null || named.includes(engine.name)
    ? engine
    : { ...engine, absent: `left out: SLIM_TEST_ENGINES is ${named.join(',')}` },
);

/** A suite about an engine: where that is absent it is skipped, and its title says why. */
export function describeOn({ absent }: TestEngine, title: string, suite: () => void): void {
  describe.skipIf(absent !== null)(`${title}${skipNote(absent)}`, suite);
}
