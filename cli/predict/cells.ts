/** What of a table's row is classified: a text, two, or a picture. */
import { stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { ModelInfo } from '../../runtime/http/classifier.ts';
import { chooseTextColumns, knownColumns } from '../data/text/columns.ts';
import { shown } from '../data/text/source.ts';
import { UserError, usageError } from '../io/errors.ts';
import { loadFile, pictureOf } from './file-rows.ts';
import type { Cells, Loaded } from './row.ts';

/** Which columns are read; guessed unless given. */
export interface CellFlags {
  readonly textColumn?: string;
  readonly textPairColumn?: string;
  readonly imageColumn?: string;
}

/** How the rows of some tables are read. */
export interface CellReader {
  /** UserError where a table lacks the columns. */
  expectIn(path: string, columns: readonly string[]): void;
  load(path: string, cells: Cells): Promise<Loaded>;
  /** Bytes that `load` reads from beside the table. */
  size(path: string, cells: Cells): Promise<number>;
  /** The cells as they are kept, of which none is a picture itself. */
  kept(cells: Cells): Cells;
}

/** The reader for tables like this one. UserError where it has no columns of what the model takes. */
export function cellReader(
  path: string,
  columns: readonly string[],
  task: ModelInfo['task'],
  flags: CellFlags,
): CellReader {
  const wrong = task === 'image-classification' ? (flags.textColumn ?? flags.textPairColumn) : flags.imageColumn;
  if (wrong !== undefined)
    throw usageError(
      task === 'image-classification'
        ? `the model classifies pictures, and ${wrong} is named as a column of texts`
        : `the model classifies texts, and ${wrong} is named as a column of pictures`,
    );
  return task === 'image-classification' ? pictureCells(path, columns, flags) : textCells(path, columns, flags);
}

function textCells(path: string, columns: readonly string[], flags: CellFlags): CellReader {
  const { text, pair } = chooseTextColumns(path, columns, flags);
  return {
    expectIn: (other, theirs) =>
      void chooseTextColumns(other, theirs, { textColumn: text, textPairColumn: pair ?? undefined }),
    async load(_, cells) {
      for (const name of pair === null ? [text] : [text, pair])
        if (typeof cellOf(cells, name) !== 'string')
          return { problem: `expected a text in ${name}, got ${shown(cellOf(cells, name))}` };
      return {
        input: { text: cellOf(cells, text) as string, pair: pair === null ? null : (cellOf(cells, pair) as string) },
      };
    },
    size: async () => 0,
    kept: (cells) => cells,
  };
}

/** Usual names of columns of pictures, or of their files. */
const IMAGES = /^(image|img|picture|photo|file|path|(file|image|img)[-_ ]?(name|path)?|.*[-_ ](file|path|image))$/i;

function pictureCells(path: string, columns: readonly string[], { imageColumn }: CellFlags): CellReader {
  const expectIn = (file: string, theirs: readonly string[], name: string): void => {
    if (!theirs.includes(name))
      throw new UserError(`--image-column ${name}: ${knownColumns(file, theirs)}`, 'Name one of them.');
  };
  if (imageColumn !== undefined) expectIn(path, columns, imageColumn);
  const image = imageColumn ?? (columns.length === 1 ? columns[0] : columns.find((name) => IMAGES.test(name)));
  if (image === undefined)
    throw new UserError(
      `${knownColumns(path, columns)}, none of which looks like pictures or their files`,
      'Say which it is: --image-column NAME.',
    );
  return {
    expectIn: (file, theirs) => expectIn(file, theirs, image),
    async load(table, cells) {
      const { bytes, file } = sourceOf(cellOf(cells, image));
      if (bytes !== null) return pictureOf(bytes);
      if (file !== null && file !== '') return loadFile(resolve(dirname(table), file), 'image-classification');
      return { problem: `expected a picture or its file in ${image}, got ${shown(cellOf(cells, image))}` };
    },
    async size(table, cells) {
      const { bytes, file } = sourceOf(cellOf(cells, image));
      if (bytes !== null || file === null || file === '') return 0;
      // What can't be read says so when it is loaded.
      return stat(resolve(dirname(table), file)).then(
        (found) => found.size,
        () => 0,
      );
    },
    kept(cells) {
      const { bytes, file } = sourceOf(cellOf(cells, image));
      return bytes === null ? cells : { ...cells, [image]: file };
    },
  };
}

/** Of a path, of bytes, or of both as Hugging Face datasets has them. */
function sourceOf(cell: unknown): { readonly bytes: Uint8Array | null; readonly file: string | null } {
  if (typeof cell === 'string') return { bytes: null, file: cell };
  if (cell instanceof Uint8Array) return { bytes: cell, file: null };
  if (typeof cell !== 'object' || cell === null) return { bytes: null, file: null };
  const { bytes, path } = cell as { readonly bytes?: unknown; readonly path?: unknown };
  return { bytes: bytes instanceof Uint8Array ? bytes : null, file: typeof path === 'string' ? path : null };
}

function cellOf(cells: Cells, name: string): unknown {
  return Object.hasOwn(cells, name) ? cells[name] : undefined;
}
