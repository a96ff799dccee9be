import type { Artifact } from '../artifact/artifact.ts';
import type { Classifier } from '../http/classifier.ts';
import { expectInput, type ModelInput } from './model-input.ts';
import { loadKernels } from './node.ts';
import { nodeDecoders } from './node-decoders.ts';
import { createClassifierPool } from './node-pool.ts';
import { createTaskClassifier } from './task-classifier.ts';

/** A classifier in a Node process: of an encoded picture (JPEG, PNG, WebP), or of a text, as the model is for. */
export interface NodeClassifier extends Classifier<ModelInput> {
  /** Ends its threads, if it has any. Nothing is answered afterwards. */
  close(): Promise<void>;
}

/** Of `createNodeClassifier`. */
export interface NodeClassifierOptions {
  /** Threads that classify, each with the weights in a memory of its own; 0: the calling thread alone. */
  readonly workers: number;
  /** The folder of the kernels, the codecs and the built classifier-worker.mjs. */
  readonly assets: URL;
}

/** More threads than any machine has processors: a number that is not meant. */
const MOST_WORKERS = 1024;

/**
 * The classifier that an artifact is, on this thread or on so many beside it. `classify` rejects with TypeError what is
 * not of the model's kind.
 * @throws ArtifactError or PreprocessError saying what is wrong with the artifact; RangeError for a number of workers
 * that is none; Error where the kernels can't be loaded or a thread can't start.
 */
export async function createNodeClassifier(
  artifact: Artifact,
  { workers, assets }: NodeClassifierOptions,
): Promise<NodeClassifier> {
  if (!Number.isInteger(workers) || workers < 0 || workers > MOST_WORKERS)
    throw new RangeError(`workers: expected a whole number from 0 to ${MOST_WORKERS}, got ${workers}`);
  const kernels = await loadKernels(assets);
  const classifier =
    workers === 0
      ? { ...(await createTaskClassifier(artifact, kernels, nodeDecoders(assets))), close: async () => undefined }
      : await createClassifierPool(artifact, kernels, {
          workers,
          assets,
          workerFile: new URL('classifier-worker.mjs', assets),
        });
  const { info, input, parallel } = classifier;
  let isClosed = false;
  return {
    info,
    input,
    parallel,
    async classify(given, topK, signal) {
      if (isClosed) throw new Error('the classifier was closed');
      expectInput(given, topK, info);
      return classifier.classify(given, topK, signal);
    },
    close() {
      isClosed = true;
      return classifier.close();
    },
  };
}
