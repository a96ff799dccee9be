/**
 * Pictures in the column of a Parquet table, as the hub's image sets have them. They are written to a temporary file as
 * they are, encoded, so that samples can be read in any order.
 */

import { mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PreprocessError } from '../../runtime/preprocess/error.ts';
import { messageOf, UserError } from '../io/errors.ts';
import { counted } from '../io/words.ts';
import { contentsHash, judgesWhole, partNotice, seenNotices } from './contents.ts';
import { contentDigest, duplicateNotices } from './duplicates.ts';
import { decodedOnUse } from './file-split.ts';
import { checkBytes, decodeBytes } from './picture-source.ts';
import type { DatasetOptions, PackedPicture, PictureDataset, Split } from './split.ts';
import { isFraction, withoutTwins } from './text/class-names.ts';
import { chooseLabelColumn } from './text/columns.ts';
import { hasLabels, heldOut } from './text/dataset.ts';
import { inOrder, placesByName } from './text/labels.ts';
import type { TextLayout } from './text/layout.ts';
import { type PictureTable, short, type TableFile } from './text/rows.ts';
import { badRow, labelOf, namesOfFiles, shown } from './text/source.ts';

type Tables = Extract<TextLayout, { readonly kind: 'tables' }>;

/** How tables of pictures are opened: as all data, and which column holds the label. */
export type PictureTableOptions = DatasetOptions & { readonly labelColumn?: string | readonly string[] };

/** The column of pictures in the training files; null where they hold none. UserError where they hold several. */
export async function pictureColumn({ train: [file] }: Tables): Promise<string | null> {
  const columns = (await file.pictures?.columns()) ?? [];
  if (columns.length > 1)
    throw new UserError(
      `${file.path} has several columns of pictures: ${columns.join(', ')}`,
      'A sample is one picture: write a file with one of them.',
    );
  return columns[0] ?? null;
}

/** Opens them. UserErrors name file and row. */
export async function openParquetPictures(
  path: string,
  layout: Tables,
  image: string,
  options: PictureTableOptions,
): Promise<PictureDataset> {
  const { train } = layout;
  const columns = (await train[0].columns()).filter((name) => name !== image);
  const [named, ...more] = [options.labelColumn ?? []].flat();
  if (more.length > 0)
    throw new UserError(
      `--label-column ${more[0]}: pictures have one label each, and ${named} is named, too`,
      'Name one column.',
    );
  const label = chooseLabelColumn(train[0].path, columns, named);
  const labelled = await Promise.all(layout.tests.map(({ files }) => hasLabels(files[0], label)));
  const test = layout.tests.find((_, i) => labelled[i])?.files ?? null;
  const store = createStore();
  const trained = await unpack(train, { image, label }, store, options);
  const judging = test && (await unpack(test, { image, label }, store, options));
  const order = (await train[0].namesOf?.(label)) ?? null;
  const labels = inOrder([...withoutTwins(new Set(trained.map((sample) => sample.label)))], order);
  const placeOf = placesByName(labels);
  const digest = contentsOf(trained);
  const isWhole = judging === null && judgesWhole(options.judging, digest);
  if (labels.length < (isWhole ? 1 : 2)) {
    const found = labels.length === 0 ? 'no rows' : `one label only (${short(labels[0])})`;
    throw new UserError(
      `${path} has ${found}: there is nothing to tell apart`,
      'Expected rows of at least two labels.',
    );
  }
  const unknown = judging?.find((sample) => placeOf(sample.label) === undefined);
  if (unknown !== undefined)
    throw badRow(
      unknown.source.path,
      `the label ${JSON.stringify(short(unknown.label))} is not among the training data's`,
    );
  const held =
    judging === null && !isWhole
      ? heldOut(
          trained.map((sample) => sample.label),
          options,
        )
      : null;
  const parts =
    held === null
      ? { train: isWhole ? [] : trained, test: judging ?? trained }
      : { train: trained.filter((_, i) => held[i] === 0), test: trained.filter((_, i) => held[i] === 1) };
  if (parts.test.length === 0) throw new UserError(`${path} has no pictures to judge a model by`, 'Add some.');
  const passed = layout.tests.filter((_, i) => !labelled[i]);
  return {
    kind: 'image',
    problemType: 'single_label_classification',
    name: path,
    labels,
    contents: { digest, heldOut: held !== null },
    train: splitOf(parts.train, placeOf),
    test: splitOf(parts.test, placeOf),
    skipped: store.skipped(),
    notices: [
      `The pictures are in ${image}, the label in ${label}.`,
      ...passed.map(({ files }) => `${namesOfFiles(files)} has no labels and is left out.`),
      ...(isWhole ? seenNotices(options.judging, digest, path) : []),
      isWhole
        ? `The model is judged on all ${counted(trained.length, 'picture')}.`
        : held === null
          ? partNotice(options.judging, digest, path, namesOfFiles(test!))
          : `Models are judged on ${parts.test.length} of the ${counted(trained.length, 'picture')}, which are held out.`,
      ...duplicateNotices(digestsOf(parts.train), digestsOf(parts.test), 'picture'),
      `The encoded pictures take ${(store.bytes() / 1e6).toFixed(1)} MB in ${tmpdir()} while this runs.`,
    ],
  };
}

interface Sample {
  readonly source: PackedPicture;
  readonly label: string;
  readonly digest: number;
}

/** Of the pictures and their classes, in their order. */
function contentsOf(samples: readonly Sample[]): string {
  const hash = contentsHash();
  for (const { label, digest } of samples) hash.add(label, String(digest));
  return hash.digest();
}

function digestsOf(samples: readonly Sample[]): readonly number[] {
  return samples.map(({ digest }) => digest);
}

function splitOf(samples: readonly Sample[], placeOf: ReturnType<typeof placesByName>): Split {
  return decodedOnUse(samples.map(({ source, label }) => ({ source, label: placeOf(label)! })));
}

/** Every picture of some files, checked and written to the store. */
async function unpack(
  files: readonly TableFile[],
  { image, label }: { readonly image: string; readonly label: string },
  store: PictureStore,
  { skipBad = false, onRead }: PictureTableOptions,
): Promise<readonly Sample[]> {
  const samples: Sample[] = [];
  for (const [i, file] of files.entries()) {
    const names = (await file.namesOf?.(label)) ?? null;
    for await (const row of (file.pictures as PictureTable).rows([image, label])) {
      onRead?.((i + row.read) / files.length);
      const where = `${file.path}, ${row.place}`;
      const found = 'cells' in row ? await sampleOf(row.cells, image, label, names, skipBad) : row.problem;
      if (typeof found === 'string') {
        if (!skipBad) throw badRow(where, found);
        store.skip();
      } else samples.push({ ...found, source: store.write(found.bytes, where) });
    }
  }
  return samples;
}

/** A row's picture and label, or what is wrong with it. */
async function sampleOf(
  cells: Readonly<Record<string, unknown>>,
  image: string,
  label: string,
  names: readonly string[] | null,
  decode: boolean,
): Promise<{ readonly bytes: Uint8Array; readonly label: string; readonly digest: number } | string> {
  const named = labelOf(cells[label], names);
  if (named === null || isFraction(named)) return `expected a label in ${label}, got ${shown(cells[label])}`;
  const bytes = pictureBytes(cells[image]);
  if (bytes === null) return `expected a picture in ${image}, got ${shown(cells[image])}: files beside are not read`;
  try {
    if (decode) await decodeBytes(bytes);
    else await checkBytes(bytes);
    return { bytes, label: named, digest: contentDigest(bytes) };
  } catch (error) {
    if (error instanceof PreprocessError) return error.message;
    throw error;
  }
}

/** Of a column of bytes, or of Hugging Face datasets' { bytes, path }; null where there are none. */
function pictureBytes(cell: unknown): Uint8Array | null {
  const value = typeof cell === 'object' && cell !== null && 'bytes' in cell ? cell.bytes : cell;
  if (value instanceof Uint8Array) return value;
  // Bytes that happen to be UTF-8 come as a text, which is the same.
  return typeof value === 'string' && value !== '' ? Buffer.from(value, 'utf8') : null;
}

/** Encoded pictures in a file without a name, which is gone when the process ends, however it does. */
interface PictureStore {
  write(bytes: Uint8Array, where: string): PackedPicture;
  skip(): void;
  skipped(): number;
  bytes(): number;
}

function createStore(): PictureStore {
  const descriptor = onDisk(() => {
    const folder = mkdtempSync(join(tmpdir(), 'slim-pictures-'));
    try {
      return openSync(join(folder, 'pictures'), 'wx+', 0o600);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
  let end = 0;
  let skipped = 0;
  return {
    write(bytes, path) {
      const offset = end;
      onDisk(() => {
        for (let done = 0; done < bytes.length; )
          done += writeSync(descriptor, bytes, done, bytes.length - done, offset + done);
      });
      end += bytes.length;
      return { kind: 'packed', descriptor, offset, length: bytes.length, path };
    },
    skip: () => void skipped++,
    skipped: () => skipped,
    bytes: () => end,
  };
}

function onDisk<R>(job: () => R): R {
  try {
    return job();
  } catch (error) {
    throw new UserError(
      `can't keep pictures in ${tmpdir()}: ${messageOf(error)}`,
      'Make room there, or name another folder for temporary files in TMPDIR.',
    );
  }
}
