/** Tokens as words, for each model of tokens. */
import { expect, it } from 'vitest';
import { createPieces } from '../../cli/text/pieces.ts';

const special = [
  { id: 0, content: '[CLS]', special: true },
  { id: 1, content: '[SEP]', special: true },
];

it('joins WordPiece’s pieces, and leaves out special tokens', () => {
  const vocab = { '[CLS]': 0, '[SEP]': 1, film: 2, un: 3, '##believ': 4, '##able': 5, '.': 6 };
  const { wordsOf } = createPieces({ model: { type: 'WordPiece', vocab }, added_tokens: special });
  expect(wordsOf([0, 3, 4, 5, 2, 6, 1, 5, 1])).toEqual([
    { text: 'unbelievable', tokens: [1, 2, 3] },
    { text: 'film', tokens: [4] },
    { text: '.', tokens: [5] },
    { text: 'able', tokens: [7] },
  ]);
});

it('joins byte-level BPE’s, whose characters stand for bytes', () => {
  // é is the bytes C3 A9, which are written Ã ©; Ġ is a space.
  const vocab = { caf: 2, 'Ã©': 3, Ġgood: 4, '!': 5 };
  const { wordsOf } = createPieces({ model: { type: 'BPE', vocab, merges: [] }, added_tokens: special });
  expect(wordsOf([0, 2, 3, 4, 5, 1])).toEqual([
    { text: 'café', tokens: [1, 2] },
    { text: 'good!', tokens: [3, 4] },
  ]);
});

it('joins Unigram’s, which stand in the order of their ids', () => {
  const vocab = [
    ['[CLS]', 0],
    ['[SEP]', 0],
    ['▁film', -1],
    ['s', -2],
    ['▁', -3],
  ];
  const { wordsOf } = createPieces({ model: { type: 'Unigram', vocab, unk_id: 4 }, added_tokens: special });
  expect(wordsOf([0, 2, 3, 4, 3, 9, 1])).toEqual([
    { text: 'films', tokens: [1, 2] },
    { text: 's\uFFFD', tokens: [3, 4, 5] },
  ]);
});
