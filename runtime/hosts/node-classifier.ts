import type { Artifact } from '../artifact/artifact.ts';
import type { Classifier } from '../http/classifier.ts';
import { loadKernels } from './node.ts';
import { nodeDecoders } from './node-decoders.ts';
import { createClassifierPool } from './node-pool.ts';
import { createTaskClassifier, type ModelInput } from './task-classifier.ts';

/** A classifier in a Node process: of an encoded picture (JPEG, PNG, WebP), or of a text, as the model is for. */
export interface NodeClassifier extends Classifier<ModelInput> {
  /** Ends its threads, if it has any. */
  close(): Promise<void>;
}

/** Of `createNodeClassifier`. */
export interface NodeClassifierOptions {
  /** Threads that classify, each with the weights in a memory of its own; 0: the calling thread alone. */
  readonly workers: number;
  /** The folder of the kernels, the codecs and the built classifier-worker.mjs. */
  readonly assets: URL;
}

/**
 * The classifier that an artifact is, on this thread or on so many beside it.
 * @throws ArtifactError or PreprocessError saying what is wrong with the artifact; Error where the kernels can't be
 * loaded or a thread can't start.
 */
export async function createNodeClassifier(
  artifact: Artifact,
  { workers, assets }: NodeClassifierOptions,
): Promise<NodeClassifier> {
  const kernels = await loadKernels(assets);
  if (workers > 0)
    return createClassifierPool(artifact, kernels, {
      workers,
      assets,
      workerFile: new URL('classifier-worker.mjs', assets),
    });
  const classifier = await createTaskClassifier(artifact, kernels, nodeDecoders(assets));
  return { ...classifier, close: async () => undefined };
}
