import type { Engine } from './engine.ts';
import { createOnnxEngine } from './onnx/engine.ts';

export const ENGINES = ['onnx', 'tfjs'] as const;
export const DEVICES = ['auto', 'cpu'] as const;

export interface EngineChoice {
  readonly engine: (typeof ENGINES)[number];
  /** onnx runs on the CPU under both; tfjs takes the best backend that is installed under `auto`. */
  readonly device: (typeof DEVICES)[number];
  readonly threads?: number;
}

/** The chosen engine. tfjs is loaded only where it is asked for: it takes a second. */
export async function createEngine({ engine, device, threads }: EngineChoice): Promise<Engine> {
  switch (engine) {
    case 'onnx':
      return createOnnxEngine({ threads });
    case 'tfjs': {
      const { createTfjsEngine } = await import('./tfjs/engine.ts');
      return createTfjsEngine({ gpu: device === 'auto' });
    }
    default:
      return engine satisfies never;
  }
}
