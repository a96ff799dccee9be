/** The training engines as tests take them: one thread, so that runs are repeatable; nothing is brought, for `npm ci` has it. */
import type { Engine } from '../../cli/engines/engine.ts';
import { createOnnxEngine } from '../../cli/engines/onnx/engine.ts';
import { createTfjsEngine } from '../../cli/engines/tfjs/engine.ts';

export const engineIo = { stderr: process.stderr, signal: new AbortController().signal };

export const onnxEngine = (): Promise<Engine> => createOnnxEngine({ threads: 1 }, engineIo);
export const tfjsEngine = (): Promise<Engine> => createTfjsEngine({ gpu: true }, engineIo);
