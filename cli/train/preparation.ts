/** How samples become the inputs of a model that was loaded: from its folder's description, or from its artifact. */
import type { Artifact } from '../../runtime/artifact/artifact.ts';
import type { ProblemType } from '../../runtime/artifact/problem-type.ts';
import { readImagePreprocess } from '../../runtime/preprocess/spec.ts';
import { createAnyTokenizer } from '../../runtime/text/any-tokenizer.ts';
import { readTokenizer } from '../../runtime/text/artifact-tokenizer.ts';
import { limitsOf, withLimits } from '../../runtime/text/limits.ts';
import { readTextPreprocess } from '../../runtime/text/spec.ts';
import type { Dataset } from '../data/dataset.ts';
import type { Preparation } from '../data/prepare.ts';
import { UserError } from '../io/errors.ts';
import { taskOf } from '../models/task.ts';
import type { Preprocessing } from '../pretrained/preprocessing.ts';

/** UserError where a model is given data whose labels are of another kind than what it answers. */
export function expectProblemType(
  name: string,
  answers: ProblemType,
  data: Pick<Dataset, 'name' | 'problemType'>,
): void {
  if (answers === data.problemType) return;
  throw new UserError(
    `${name} is a model for ${taskOf(answers)}, and ${data.name} is read as data for ${taskOf(data.problemType)}`,
    'Give data of its kind, or fine-tune it on this one. Where the model is for something else than its config.json ' +
      'says, write "problem_type" there.',
  );
}

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
