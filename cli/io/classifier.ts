import { createEngine } from '../../runtime/engine/engine.ts';
import type { Classifier } from '../../runtime/http/classifier.ts';
import type { Inference } from '../../runtime/http/inference.ts';
import type { TextInput } from '../../runtime/http/text-input.ts';
import type { Artifact } from '../../runtime/artifact/artifact.ts';
import { ArtifactError } from '../../runtime/artifact/errors.ts';
import { PreprocessError } from '../../runtime/preprocess/error.ts';
import { openArtifact } from './artifact.ts';
import { builtAsset, builtKernels } from './assets.ts';
import { UserError } from './errors.ts';

/** A classifier of pictures, given as encoded files, or of texts. */
type TaskClassifier =
  | { readonly task: 'image-classification'; readonly classifier: Classifier<Uint8Array> }
  | { readonly task: 'text-classification'; readonly classifier: Classifier<TextInput> };

interface Closing {
  /** Ends its threads, if it has any. */
  close(): Promise<void>;
}

export type OpenClassifier = TaskClassifier & Closing;

/** Loads an artifact for classifying on this machine: on this thread, or on so many `workers` beside it. */
export async function openClassifier(path: string, workers = 0): Promise<OpenClassifier> {
  const artifact = await openArtifact(path);
  const { close, ...engine } = await openEngine(artifact, workers);
  try {
    return { ...(await classifierOf(artifact, engine)), close };
  } catch (error) {
    await close();
    if (!(error instanceof ArtifactError || error instanceof PreprocessError)) throw error;
    throw new UserError(`${path} is no valid artifact: ${error.message}`, 'Make it again with slim pack RUN --out NAME.slim.');
  }
}

async function classifierOf(artifact: Artifact, engine: Inference): Promise<TaskClassifier> {
  const { task } = artifact.manifest;
  if (task === 'text-classification') {
    const { createTextClassifier } = await import('../../runtime/http/text-classifier.ts');
    return { task, classifier: await createTextClassifier(artifact, engine) };
  }
  const [{ createPictureClassifier }, { decodePicture }, { nodeDecoders }] = await Promise.all([
    import('../../runtime/http/picture-classifier.ts'), import('../../runtime/preprocess/decode.ts'), import('../../runtime/hosts/node-decoders.ts'),
  ]);
  const decoders = nodeDecoders();
  return { task, classifier: createPictureClassifier(artifact, engine, (bytes) => decodePicture(bytes, decoders)) };
}

async function openEngine(artifact: Artifact, workers: number): Promise<Inference & Closing> {
  const kernels = await builtKernels();
  if (workers === 0) return { infer: createEngine(artifact, kernels).infer, close: async () => undefined };
  const { createEnginePool } = await import('../../runtime/hosts/node-pool.ts');
  const pool = await createEnginePool(artifact, kernels, { workers, workerFile: builtAsset('engine-worker.mjs') });
  return { infer: (inputs) => pool.infer(inputs), close: () => pool.close() };
}
