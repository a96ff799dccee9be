/** The training engines as tests take them: one thread, so that runs are repeatable; nothing is brought, for `npm ci` has it. */
import { describe } from 'vitest';
import type { Engine } from '../../cli/engines/engine.ts';
import { createOnnxEngine } from '../../cli/engines/onnx/engine.ts';
import { createTfjsEngine, createWasmEngine } from '../../cli/engines/tfjs/engine.ts';
import { notInstalled, skipNote, tensorflowCache } from '../contract/hosts/installed.ts';
import { createTestWebgpuEngine, withoutWebgpu } from './webgpu.ts';
import { createTestXlaEngine, withoutXla } from './xla.ts';

export const engineIo = { stderr: process.stderr, signal: new AbortController().signal };

export const onnxEngine = (): Promise<Engine> => createOnnxEngine({ threads: 1 }, engineIo);
/** tfjs on WebAssembly, whatever else is here. */
export const tfjsEngine = (): Promise<Engine> => createWasmEngine(engineIo);

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

/**
 * tfjs on TensorFlow. Apart from the others, for two copies of tfjs in one process share their backends: a file that
 * takes this one has no other tfjs.
 */
export const tensorflowEngine: TestEngine = {
  name: 'tfjs',
  create() {
    process.env.SLIM_CACHE = tensorflowCache!;
    return createTfjsEngine({ device: 'cpu' }, engineIo);
  },
  absent: tensorflowCache === null ? notInstalled('slim setup tensorflow, into SLIM_CACHE or test/hosts/cache') : null,
};

/** A suite about an engine: where that is absent it is skipped, and its title says why. */
export function describeOn({ absent }: TestEngine, title: string, suite: () => void): void {
  describe.skipIf(absent !== null)(`${title}${skipNote(absent)}`, suite);
}
