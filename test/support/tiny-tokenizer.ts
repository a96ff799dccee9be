/** A tokenizer.json of `count` words, and no more than one needs to be one. */
export function tinyTokenizer(count: number): Record<string, unknown> {
  return {
    version: '1.0',
    added_tokens: [],
    pre_tokenizer: { type: 'BertPreTokenizer' },
    model: {
      type: 'WordPiece',
      unk_token: 'w0',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(Array.from({ length: count }, (_, id) => [`w${id}`, id])),
    },
  };
}
