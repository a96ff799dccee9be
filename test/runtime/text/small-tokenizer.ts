/** A WordPiece tokenizer of a few words, as BERT's, and an artifact of the small BERT with it. */
import { absorb } from '../../../cli/compress/absorb.ts';
import { pack } from '../../../cli/compress/pack.ts';
import { quantizeTensors } from '../../../cli/compress/quantize.ts';
import { storedTensors } from '../../../cli/compress/stored-tensors.ts';
import { packTokenizer } from '../../../cli/text/pack-tokenizer.ts';
import { readArtifact, writeArtifact } from '../../../runtime/artifact/artifact.ts';
import type { Manifest } from '../../../runtime/artifact/manifest.ts';
import { readSafetensors, type Tensor } from '../../../runtime/artifact/safetensors.ts';
import { TOKENIZER_TENSOR } from '../../../runtime/text/artifact-tokenizer.ts';
import { smallBert, TOKENS, textDescription } from '../../compress/small-bert.ts';

const SPECIALS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];
export const SMALL_TOKENS = [
  ...SPECIALS,
  'a',
  'film',
  '##s',
  'good',
  'bad',
  '##ly',
  '.',
  ',',
  '!',
  'good',
  'not',
  '漢',
  '字',
  'x',
  '##x',
].filter((token, i, all) => all.indexOf(token) === i);

/** tokenizer.json, any part of it to be changed. */
export type TokenizerFile = Record<string, any>;

export function bertTokenizer(tokens: readonly string[] = SMALL_TOKENS): TokenizerFile {
  const id = (token: string): number => tokens.indexOf(token);
  const special = (token: string) => ({ SpecialToken: { id: token, type_id: 0 } });
  const a = { Sequence: { id: 'A', type_id: 0 } };
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: SPECIALS.map((content) => ({
      id: id(content),
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [special('[CLS]'), a, special('[SEP]')],
      pair: [
        special('[CLS]'),
        a,
        special('[SEP]'),
        { Sequence: { id: 'B', type_id: 1 } },
        { SpecialToken: { id: '[SEP]', type_id: 1 } },
      ],
      special_tokens: Object.fromEntries(
        ['[CLS]', '[SEP]'].map((token) => [token, { id: token, ids: [id(token)], tokens: [token] }]),
      ),
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(tokens.map((token, i) => [token, i])),
    },
  };
}

export interface SmallTextOptions {
  readonly tokenizer?: Tensor | null;
  readonly maxTokens?: number;
  readonly change?: (manifest: Record<string, any>) => void;
}

/** The small BERT, int8, with its tokenizer; null leaves that out. */
export async function smallTextArtifact({
  tokenizer = packTokenizer(bertTokenizer()),
  maxTokens = TOKENS,
  change = () => undefined,
}: SmallTextOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
  const { logits, values } = smallBert();
  const { logits: absorbed, derive } = absorb(logits);
  const packed = await pack(absorbed, quantizeTensors(derive(storedTensors(logits, values)), absorbed), {
    ...textDescription,
    preprocessing: { kind: 'text', maxTokens },
  });
  const { digest: _, ...manifest } = structuredClone((await readArtifact(packed)).manifest) as Manifest;
  change(manifest);
  const tensors = new Map(readSafetensors(packed).tensors);
  if (tokenizer !== null) tensors.set(TOKENIZER_TENSOR, tokenizer);
  return writeArtifact(tensors, manifest);
}
