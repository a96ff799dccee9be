import type { Artifact } from '../../runtime/artifact/artifact.ts';
import { ArtifactError } from '../../runtime/artifact/errors.ts';
import type { NodeClassifier } from '../../runtime/hosts/node-classifier.ts';
import { PreprocessError } from '../../runtime/preprocess/error.ts';
import { openArtifact } from './artifact.ts';
import { builtFolder } from './assets.ts';
import { UserError } from './errors.ts';

/**
 * Loads an artifact for classifying on this machine: on this thread, or on so many `workers` beside it. UserErrors name
 * the file and say what is wrong.
 */
export async function openClassifier(path: string, workers = 0): Promise<NodeClassifier> {
  return startClassifier(path, await openArtifact(path), workers);
}

/** As `openClassifier`, of an artifact that was read from there. */
export async function startClassifier(path: string, artifact: Artifact, workers: number): Promise<NodeClassifier> {
  const { createNodeClassifier } = await import('../../runtime/hosts/node-classifier.ts');
  try {
    return await createNodeClassifier(artifact, { workers, assets: builtFolder() });
  } catch (error) {
    if (!(error instanceof ArtifactError || error instanceof PreprocessError)) throw error;
    throw new UserError(
      `${path} is no valid artifact: ${error.message}`,
      'Make it again with slim pack RUN --out NAME.slim.',
    );
  }
}
