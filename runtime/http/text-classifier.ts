/** A packed model as a classifier of texts: tokens, infer, softmax. */
import type { Artifact } from '../artifact/artifact.ts';
import { ArtifactError } from '../artifact/errors.ts';
import { type Inputs, vocabularyOf } from '../engine/engine.ts';
import { PreprocessError } from '../preprocess/error.ts';
import { readTokenizer } from '../text/artifact-tokenizer.ts';
import { limitsOf, withLimits } from '../text/limits.ts';
import { readTextPreprocess } from '../text/spec.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import type { Classifier } from './classifier.ts';
import { classifierOf, type Inference } from './inference.ts';
import { type TextInput, textInput } from './text-input.ts';

/**
 * Joins an artifact for texts, with the tokenizer in it, and an engine made of it. An empty text is one, too: the model
 * answers what it answers to nothing but special tokens. A text alone is refused where the model was trained on pairs.
 * `create` makes the tokenizer (`readTokenizer`).
 * @throws ArtifactError or PreprocessError where preprocessing or tokenizer are invalid, or do not fit the plan
 */
export async function createTextClassifier(
  artifact: Artifact,
  engine: Inference,
  create: (json: unknown) => Tokenizer,
): Promise<Classifier<TextInput>> {
  const { manifest } = artifact;
  const { maxTokens } = readTextPreprocess(manifest.preprocessing);
  const tokenizer = withLimits(await readTokenizer(artifact, create), limitsOf(manifest));
  checkFit(manifest, maxTokens, tokenizer);
  return classifierOf(artifact, engine, textInput, ({ text, pair }) => {
    // A model that never saw one text alone would answer it all the same.
    if (pair === null && manifest.configuration.pairs === true)
      throw new PreprocessError('missing-pair', 'the model was trained on pairs: expected text and text_pair');
    const { ids, types, truncated } = tokenizer.encode(text, pair, maxTokens);
    const given: Inputs = { ids, types };
    const inputs = Object.fromEntries(manifest.plan.inputs.map(({ name }) => [name, given[name]]));
    return truncated > 0 ? { inputs, truncated: true } : { inputs };
  });
}

/**
 * Every sequence that the tokenizer makes must be one that the plan takes: better refused when loading than when
 * somebody asks.
 */
function checkFit({ plan }: Artifact['manifest'], maxTokens: number, { vocabSize, types, specials }: Tokenizer): void {
  const checks: [what: string, most: number, got: number][] = [
    ['tokens', plan.tokens ?? 0, maxTokens],
    ['special tokens around two texts', maxTokens - 1, specials.pair],
  ];
  const used: Readonly<Record<string, readonly [what: string, got: number]>> = {
    ids: ['tokens in the vocabulary', vocabSize],
    types: ['token types', types.single],
  };
  for (const { name, offset } of plan.inputs) {
    if (!Object.hasOwn(used, name)) throw new ArtifactError('plan', `expected the inputs ids and types, got ${name}`);
    const [what, got] = used[name];
    checks.push([what, vocabularyOf(plan, offset) ?? 0, got]);
  }
  for (const [what, most, got] of checks)
    if (got > most)
      throw new ArtifactError(
        'plan',
        `the tokenizer does not fit the plan: expected at most ${most} ${what}, got ${got}`,
      );
}
