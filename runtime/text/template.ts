/**
 * What stands around one or two texts: special tokens and the token types, which Hugging Face calls the post-processor.
 */
import { mismatch } from '../artifact/schema.ts';
import type { PostProcessorJson } from './tokenizer-json.ts';

/** One or several tokens of a template, with their type. */
export interface TemplateItem {
  /** Special tokens; those of a text where it is 'A' or 'B'. */
  readonly ids: readonly number[] | 'A' | 'B';
  readonly type: number;
}

/** What becomes of one text, and of two; each text stands once where it belongs. */
export interface Templates {
  readonly single: readonly TemplateItem[];
  readonly pair: readonly TemplateItem[];
}

const BARE: Templates = {
  single: [{ ids: 'A', type: 0 }],
  pair: [
    { ids: 'A', type: 0 },
    { ids: 'B', type: 1 }, // the library's, where nothing says otherwise
  ],
};

/** @throws Mismatch where a template names no special token, or holds a text not once. */
export function templatesOf(processor: PostProcessorJson | null): Templates {
  switch (processor?.type) {
    case undefined:
    case 'ByteLevel': // which only moves offsets
      return BARE;
    case 'Sequence': {
      const others = processor.value.processors.filter(({ type }) => type !== 'ByteLevel');
      if (others.length > 1)
        throw mismatch(
          'tokenizer.post_processor',
          'one processor beside ByteLevel',
          others.map(({ type }) => type),
        );
      return templatesOf(others[0] ?? null);
    }
    case 'BertProcessing':
    case 'RobertaProcessing': {
      const bert = processor.type === 'BertProcessing';
      const {
        cls: [, cls],
        sep: [, sep],
      } = processor.value;
      const single = [
        { ids: [cls], type: 0 },
        { ids: 'A', type: 0 },
        { ids: [sep], type: 0 },
      ] as const;
      const type = bert ? 1 : 0;
      return {
        single,
        pair: [...single, ...(bert ? [] : [{ ids: [sep], type }]), { ids: 'B', type }, { ids: [sep], type }],
      };
    }
    case 'TemplateProcessing': {
      const { single, pair, special_tokens } = processor.value;
      const itemsOf = (name: string, items: typeof single, texts: string): readonly TemplateItem[] => {
        const found = items
          .map(({ sequence }) => sequence ?? '')
          .sort()
          .join('');
        if (found !== texts)
          throw mismatch(`tokenizer.post_processor.${name}`, `the texts ${[...texts].join(' and ')} once each`, found);
        return items.map(({ ids: [token], sequence, type }) => ({ ids: sequence ?? idsOf(token), type }));
      };
      const idsOf = (token: string): readonly number[] => {
        const ids = special_tokens.get(token);
        if (ids === undefined)
          throw mismatch('tokenizer.post_processor.special_tokens', `a token ${token.slice(0, 40)}`, undefined);
        return ids;
      };
      return { single: itemsOf('single', single, 'A'), pair: itemsOf('pair', pair, 'AB') };
    }
    default:
      processor satisfies undefined;
      return BARE;
  }
}

/** How many special tokens there are. */
export function specialCount(items: readonly TemplateItem[]): number {
  return items.reduce((sum, { ids }) => sum + (typeof ids === 'string' ? 0 : ids.length), 0);
}
