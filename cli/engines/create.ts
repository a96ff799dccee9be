import type { BringingIo } from '../setup/packages.ts';
import type { Engine } from './engine.ts';

/** What --engine takes: onnxruntime-node, or TensorFlow.js. */
export const ENGINES = ['onnx', 'tfjs'] as const;
/** What --device takes. */
export const DEVICES = ['auto', 'cpu'] as const;

/** Which engine, and on what; `threads` is onnx's alone, all processors unless given. */
export interface EngineChoice {
  readonly engine: (typeof ENGINES)[number];
  /** onnx runs on the CPU under both; tfjs takes the best backend that is installed under `auto`. */
  readonly device: (typeof DEVICES)[number];
  readonly threads?: number;
}

/** The chosen engine, loaded only where it is asked for: onnxruntime takes a tenth of a second, tfjs a whole one. */
export async function createEngine({ engine, device, threads }: EngineChoice, io: BringingIo): Promise<Engine> {
  switch (engine) {
    case 'onnx': {
      const { createOnnxEngine } = await import('./onnx/engine.ts');
      return createOnnxEngine({ threads }, io);
    }
    case 'tfjs': {
      const { createTfjsEngine } = await import('./tfjs/engine.ts');
      return createTfjsEngine({ gpu: device === 'auto' }, io);
    }
    default:
      return engine satisfies never;
  }
}
