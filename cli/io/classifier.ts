import { createEngine } from '../../runtime/engine/engine.ts';
import { createClassifier, type Inference } from '../../runtime/http/artifact-classifier.ts';
import type { Classifier } from '../../runtime/http/classifier.ts';
import { decodePicture } from '../../runtime/preprocess/decode.ts';
import type { Artifact } from '../../runtime/artifact/artifact.ts';
import { openArtifact } from './artifact.ts';
import { builtAsset, builtKernels } from './assets.ts';

export interface OpenClassifier {
  readonly classifier: Classifier;
  /** Ends its threads, if it has any. */
  close(): Promise<void>;
}

/** Loads an artifact for classifying on this machine: on this thread, or on so many `workers` beside it. */
export async function openClassifier(path: string, workers = 0): Promise<OpenClassifier> {
  const artifact = await openArtifact(path);
  const { nodeDecoders } = await import('../../runtime/hosts/node-decoders.ts');
  const decoders = nodeDecoders();
  const { close, ...engine } = await openEngine(artifact, workers);
  return { classifier: createClassifier(artifact, engine, (bytes) => decodePicture(bytes, decoders)), close };
}

async function openEngine(artifact: Artifact, workers: number): Promise<Inference & Pick<OpenClassifier, 'close'>> {
  const kernels = await builtKernels();
  if (workers === 0) return { infer: createEngine(artifact, kernels).infer, close: async () => undefined };
  const { createEnginePool } = await import('../../runtime/hosts/node-pool.ts');
  const pool = await createEnginePool(artifact, kernels, { workers, workerFile: builtAsset('engine-worker.mjs') });
  return { infer: (inputs) => pool.infer(inputs), close: () => pool.close() };
}
