/** What a model can't be asked, though its tokenizer takes it. */
import type { Manifest } from '../artifact/manifest.ts';
import { vocabularyOf } from '../engine/engine.ts';
import { PreprocessError } from '../preprocess/error.ts';
import type { Tokenizer } from './tokenizer.ts';

/** RoBERTa counts a text's places from the id of padding, and gives padding none: within a text, all after it move. */
export const ROBERTA_PAD = 1;

/** Of one model. */
export interface TextLimits {
  /** Types of tokens that it tells apart; null where it is given none. */
  readonly types: number | null;
  /** An id that has no place in a text. */
  readonly placeless: number | null;
}

/** Those of a packed model. */
export function limitsOf({ plan, source }: Pick<Manifest, 'plan' | 'source'>): TextLimits {
  const types = plan.inputs.find(({ name }) => name === 'types');
  return {
    types: types ? vocabularyOf(plan, types.offset) : null,
    placeless: /roberta|camembert|data2vec/.test(source.architecture) ? ROBERTA_PAD : null,
  };
}

/** The tokenizer, but that what the model would answer wrongly is a PreprocessError. */
export function withLimits(tokenizer: Tokenizer, { types, placeless }: TextLimits): Tokenizer {
  return {
    ...tokenizer,
    encode(text, pair, maxTokens) {
      const encoding = tokenizer.encode(text, pair, maxTokens);
      const isTooMany = pair !== null && tokenizer.types.pair > (types ?? Infinity);
      const refused = isTooMany ? 'second text' : encoding.ids.includes(placeless ?? -1) && 'padding';
      if (refused) throw new PreprocessError('unsupported-format', `the model takes no ${refused}`);
      return encoding;
    },
  };
}
