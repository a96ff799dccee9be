/** What a batch prediction reads: rows one by one, so that what they come from may be larger than memory. */
import type { ModelInput } from '../../runtime/hosts/model-input.ts';

/** Values by column, as the format gives them. */
export type Cells = Readonly<Record<string, unknown>>;

/** One thing to classify, and what stands beside it. */
export interface InputRow {
  /** Names it in messages: `reviews.csv, line 7`. */
  readonly place: string;
  /** What is kept of it. */
  readonly cells: Cells;
  /** Rows with the same one are answered alike: `--resume` knows by it that the input is the one that it was. */
  readonly identity: string;
  /** Of memory, about, while it is under way. */
  readonly bytes: number;
  /** How much of the input was read when this row was whole, from 0 to 1; null where nobody knows how much there is. */
  readonly read: number | null;
  /** What is to be classified, or in words why it can't be. */
  load(): Promise<Loaded>;
}

/** An input, or what is wrong with the row. */
export type Loaded = { readonly input: ModelInput } | { readonly problem: string };

/** All rows of what was given. */
export interface RowSource {
  /** The columns that are kept, in order; a row may lack some. */
  readonly columns: readonly string[];
  /** What it reads, as a record tells it. */
  readonly inputs: readonly ReadInput[];
  /** Which columns are classified. */
  readonly reads: ReadColumns;
  /** Reads them from the beginning, in the same order each time. */
  rows(): AsyncIterable<InputRow>;
}

/** An input as a record tells it: a table with its bytes, or files of a row each with their number; stdin has neither. */
export interface ReadInput {
  readonly path: string;
  readonly bytes: number | null;
  readonly files: number | null;
}

/** The columns that are classified; null where there are no such. */
export interface ReadColumns {
  readonly textColumn: string | null;
  readonly textPairColumn: string | null;
  readonly imageColumn: string | null;
}

/** Of rows that are not a table's. */
export const NO_COLUMNS: ReadColumns = { textColumn: null, textPairColumn: null, imageColumn: null };
