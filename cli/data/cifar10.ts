/**
 * CIFAR-10's binary records: a label byte, then 32×32 pixels as three planes (red, green, blue).
 * https://www.cs.toronto.edu/~kriz/cifar.html
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../io/errors.ts';
import type { PictureDataset, Split } from './split.ts';
import { decodedSplit, sharedBytes } from './split.ts';

const side = 32;
const area = side * side;
const pictureBytes = 3 * area;
const recordBytes = 1 + pictureBytes;

const trainName = /^(data_batch_\d+|train)\.bin$/;
const testName = /^(test_batch|test)\.bin$/;

/** Whether a folder's file names are those of CIFAR-10. */
export function looksLikeCifar10(names: readonly string[]): boolean {
  return names.some((name) => trainName.test(name)) && names.some((name) => testName.test(name));
}

/** Opens the records in `folder` whose files are `names`. */
export async function openCifar10(folder: string, names: readonly string[]): Promise<PictureDataset> {
  const labels = await readLabels(folder, names);
  const split = (pattern: RegExp): Promise<Split> =>
    readSplit(
      names
        .filter((name) => pattern.test(name))
        .sort()
        .map((name) => join(folder, name)),
      labels.length,
    );
  return {
    kind: 'image',
    problemType: 'single_label_classification',
    name: 'cifar10',
    labels,
    train: await split(trainName),
    test: await split(testName),
    skipped: 0,
    contents: null,
    notices: [],
  };
}

async function readLabels(folder: string, names: readonly string[]): Promise<readonly string[]> {
  const name = 'batches.meta.txt';
  if (!names.includes(name)) {
    throw new UserError(
      `${folder} has CIFAR-10 records but no ${name}`,
      `Put ${name} (one class name a line) beside them.`,
    );
  }
  const lines = (await readFile(join(folder, name), 'utf8')).split(/\r?\n/);
  const labels = lines.map((line) => line.trim()).filter((line) => line !== '');
  if (labels.length === 0) throw new UserError(`${join(folder, name)} is empty: expected one class name a line`);
  return labels;
}

async function readSplit(paths: readonly string[], classes: number): Promise<Split> {
  const files = await Promise.all(paths.map(readRecords));
  const count = files.reduce((sum, file) => sum + file.length / recordBytes, 0);
  const labels = new Uint8Array(count);
  const pixels = sharedBytes(count * pictureBytes);
  let next = 0;
  for (const [index, file] of files.entries()) {
    for (let at = 0; at < file.length; at += recordBytes, next++) {
      labels[next] = checkLabel(file[at], classes, paths[index], at / recordBytes);
      interleave(
        file.subarray(at + 1, at + recordBytes),
        pixels.subarray(next * pictureBytes, (next + 1) * pictureBytes),
      );
    }
  }
  return decodedSplit(pixels, labels, { height: side, width: side });
}

async function readRecords(path: string): Promise<Uint8Array> {
  const bytes = await readFile(path);
  if (bytes.length === 0 || bytes.length % recordBytes !== 0) {
    throw new UserError(
      `${path} holds ${bytes.length} bytes, which is no multiple of CIFAR-10's record of ${recordBytes} bytes ` +
        `(${bytes.length % recordBytes} left over)`,
      'The file is cut short or is no CIFAR-10 binary: fetch it again (cifar-10-binary.tar.gz).',
    );
  }
  return bytes;
}

function checkLabel(label: number, classes: number, path: string, record: number): number {
  if (label < classes) return label;
  throw new UserError(
    `${path}: record ${record} has label ${label}, but batches.meta.txt names only ${classes} classes`,
  );
}

/** (3, area) to (area, 3). */
function interleave(planes: Uint8Array, pixels: Uint8Array): void {
  for (let i = 0, at = 0; i < area; i++) {
    pixels[at++] = planes[i];
    pixels[at++] = planes[area + i];
    pixels[at++] = planes[2 * area + i];
  }
}
