/** A model of texts whose vocabulary is what the data uses: beyond the paper, whose counts leave the embeddings out. */
import { createAnyTokenizer } from '../../runtime/text/any-tokenizer.ts';
import type { TextRow } from '../data/text/dataset.ts';
import { UserError } from '../io/errors.ts';
import type { Checkpoint } from '../pretrained/checkpoint.ts';
import { pruneVocabulary } from '../text/prune-vocabulary.ts';

const WORDS = 'embedding.word';

/**
 * Keeps the tokens that the texts use, the special ones and every single character, and rewrites tokenizer and word
 * embeddings to match. The model answers as before on these texts; on others a word may come apart into smaller pieces,
 * but none becomes unknown.
 */
export async function pruneCheckpoint(checkpoint: Checkpoint, rows: AsyncIterable<TextRow>): Promise<Checkpoint> {
  const { architecture, config, preprocessing, tensors } = checkpoint;
  if (preprocessing.kind !== 'text' || !('vocabSize' in config))
    throw new UserError('--prune-vocabulary: the model takes pictures and has no vocabulary');
  const { encode } = createAnyTokenizer(preprocessing.tokenizer);
  const used = new Set<number>();
  for await (const { text, pair } of rows)
    for (const id of encode(text, pair, preprocessing.maxTokens).ids) used.add(id);
  const { json, kept } = pruneVocabulary(preprocessing.tokenizer, used);
  // Ids of special tokens that no template uses are none that loading looks at.
  const beyond = kept.find((id) => id >= config.vocabSize);
  if (beyond !== undefined)
    throw new UserError(
      `--prune-vocabulary: the tokenizer names a token ${beyond}, ` +
        `the checkpoint has embeddings for ${config.vocabSize}`,
      'Does the tokenizer belong to these weights?',
    );
  const pruned = { ...config, vocabSize: kept.length };
  return {
    ...checkpoint,
    config: pruned,
    model: architecture.create(pruned),
    tensors: new Map([...tensors, [WORDS, rowsOf(tensors.get(WORDS)!, kept, config.embeddingSize)]]),
    preprocessing: { ...preprocessing, tokenizer: json },
  };
}

/** The rows of a table (V, D) that are kept, in that order. */
function rowsOf(table: Float32Array, kept: Int32Array, width: number): Float32Array<ArrayBuffer> {
  const rows = new Float32Array(kept.length * width);
  kept.forEach((id, row) => rows.set(table.subarray(id * width, (id + 1) * width), row * width));
  return rows;
}
