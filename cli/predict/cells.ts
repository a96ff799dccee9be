/** What of a table's row is classified: a text, two, or a picture. */
import { dirname, resolve } from 'node:path';
import type { ModelInfo } from '../../runtime/http/classifier.ts';
import { chooseTextColumns, knownColumns } from '../data/text/columns.ts';
import { shown } from '../data/text/source.ts';
import { UserError, usageError } from '../io/errors.ts';
import { type FileMark, loadFile, markOf, pictureOf } from './file-rows.ts';
import { type Cells, type Loaded, NO_COLUMNS, type ReadColumns } from './row.ts';

/** Which columns are read; guessed unless given. */
export interface CellFlags {
  readonly textColumn?: string;
  readonly textPairColumn?: string;
  readonly imageColumn?: string;
}

/** How the rows of some tables are read. */
export interface CellReader {
  readonly reads: ReadColumns;
  /** What was guessed, in a sentence for the user; null where nothing was. */
  readonly notice: string | null;
  /** UserError where a table lacks the columns. */
  expectIn(path: string, columns: readonly string[]): void;
  load(path: string, cells: Cells): Promise<Loaded>;
  /** Of what `load` reads from beside the table. */
  mark(path: string, cells: Cells): Promise<FileMark>;
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
  const isGuess = flags.textColumn === undefined && columns.length > 1;
  return {
    reads: { ...NO_COLUMNS, textColumn: text, textPairColumn: pair },
    notice: isGuess ? `The text is in ${text}${pair === null ? '' : ` and ${pair}`}.` : null,
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
    mark: async () => NOTHING_BESIDE,
    kept: (cells) => cells,
  };
}

const NOTHING_BESIDE: FileMark = { bytes: 0, mark: '' };

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
    reads: { ...NO_COLUMNS, imageColumn: image },
    notice: imageColumn === undefined && columns.length > 1 ? `The pictures are in ${image}.` : null,
    expectIn: (file, theirs) => expectIn(file, theirs, image),
    async load(table, cells) {
      const { bytes, file } = sourceOf(cellOf(cells, image));
      if (bytes !== null) return pictureOf(bytes);
      if (file !== null && file !== '') return loadFile(resolve(dirname(table), file), 'image-classification');
      return { problem: `expected a picture or its file in ${image}, got ${shown(cellOf(cells, image))}` };
    },
    async mark(table, cells) {
      const { bytes, file } = sourceOf(cellOf(cells, image));
      return bytes !== null || file === null || file === '' ? NOTHING_BESIDE : markOf(resolve(dirname(table), file));
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
