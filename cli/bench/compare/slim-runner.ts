/** Slim's own runtime, as it serves. */
import { readFile } from 'node:fs/promises';
import { readArtifact } from '../../../runtime/artifact/artifact.ts';
import { createEngine, type Inputs } from '../../../runtime/engine/engine.ts';
import { builtKernels } from '../../io/assets.ts';
import type { Runner } from './runner.ts';

/** Loads an artifact's file. */
export async function openSlimRunner(file: string): Promise<Runner> {
  const engine = createEngine(await readArtifact(await readFile(file)), await builtKernels());
  return {
    answer: (samples) => engine.inferBatch(samples as readonly Inputs[]),
    close: async () => undefined,
  };
}
