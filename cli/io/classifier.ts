import type { Artifact } from '../../runtime/artifact/artifact.ts';
import { ArtifactError } from '../../runtime/artifact/errors.ts';
import type { ModelInput } from '../../runtime/hosts/task-classifier.ts';
import type { Classifier } from '../../runtime/http/classifier.ts';
import { PreprocessError } from '../../runtime/preprocess/error.ts';
import { openArtifact } from './artifact.ts';
import { builtAsset, builtFolder, builtKernels } from './assets.ts';
import { UserError } from './errors.ts';

/** A model that answers on this machine. Who opened it closes it. */
export interface OpenClassifier {
  readonly classifier: Classifier<ModelInput>;
  /** Ends its threads, if it has any. */
  close(): Promise<void>;
}

/** Loads an artifact for classifying on this machine: on this thread, or on so many `workers` beside it. */
export async function openClassifier(path: string, workers = 0): Promise<OpenClassifier> {
  const artifact = await openArtifact(path);
  try {
    return await (workers === 0 ? onThisThread(artifact) : onThreads(artifact, workers));
  } catch (error) {
    if (!(error instanceof ArtifactError || error instanceof PreprocessError)) throw error;
    throw new UserError(
      `${path} is no valid artifact: ${error.message}`,
      'Make it again with slim pack RUN --out NAME.slim.',
    );
  }
}

async function onThisThread(artifact: Artifact): Promise<OpenClassifier> {
  const [{ createTaskClassifier }, { nodeDecoders }, kernels] = await Promise.all([
    import('../../runtime/hosts/task-classifier.ts'),
    import('../../runtime/hosts/node-decoders.ts'),
    builtKernels(),
  ]);
  return {
    classifier: await createTaskClassifier(artifact, kernels, nodeDecoders(builtFolder())),
    close: async () => undefined,
  };
}

async function onThreads(artifact: Artifact, workers: number): Promise<OpenClassifier> {
  const [{ createClassifierPool }, kernels] = await Promise.all([
    import('../../runtime/hosts/node-pool.ts'),
    builtKernels(),
  ]);
  const pool = await createClassifierPool(artifact, kernels, {
    workers,
    assets: builtFolder(),
    workerFile: builtAsset('classifier-worker.mjs'),
  });
  return { classifier: pool, close: () => pool.close() };
}
