/** How samples become the inputs of a model that was loaded: from its folder's description, or from its artifact. */
import type { Artifact } from '../../runtime/artifact/artifact.ts';
import { readImagePreprocess } from '../../runtime/preprocess/spec.ts';
import { createAnyTokenizer } from '../../runtime/text/any-tokenizer.ts';
import { readTokenizer } from '../../runtime/text/artifact-tokenizer.ts';
import { limitsOf, withLimits } from '../../runtime/text/limits.ts';
import { readTextPreprocess } from '../../runtime/text/spec.ts';
import type { Preparation } from '../data/prepare.ts';
import type { Preprocessing } from '../pretrained/preprocessing.ts';

/** As a folder tells. Throws PreprocessError where its tokenizer is not supported. */
export function preparationOf(preprocessing: Preprocessing): Preparation {
  if (preprocessing.kind === 'image') return preprocessing;
  const { tokenizer, maxTokens, types, limits } = preprocessing;
  return { kind: 'text', tokenizer: withLimits(createAnyTokenizer(tokenizer), limits), maxTokens, types };
}

/** As an artifact tells. Throws PreprocessError or ArtifactError where it is not supported. */
export async function artifactPreparation(artifact: Artifact): Promise<Preparation> {
  const { task, preprocessing, plan } = artifact.manifest;
  if (task === 'image-classification') return { kind: 'image', image: readImagePreprocess(preprocessing) };
  const { maxTokens } = readTextPreprocess(preprocessing);
  return {
    kind: 'text',
    tokenizer: withLimits(await readTokenizer(artifact, createAnyTokenizer), limitsOf(artifact.manifest)),
    maxTokens,
    types: plan.inputs.some(({ name }) => name === 'types'),
  };
}
