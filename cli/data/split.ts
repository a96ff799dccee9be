import type { ProblemType } from '../../runtime/artifact/problem-type.ts';
import type { Picture } from '../../runtime/preprocess/picture.ts';

import type { Judging, TrainedOn } from './contents.ts';
import type { Target } from './target.ts';

/** Where a picture is. Plain data on shared memory: it is posted to workers without copying pixels. */
export type PictureSource =
  | { readonly kind: 'decoded'; readonly picture: Picture }
  | { readonly kind: 'file'; readonly path: string }
  | PackedPicture
  | CachedPicture;

/** A picture in a cache's file (--cache), which stays open while the split is used. */
export interface CachedPicture {
  readonly kind: 'cached';
  /** The cache's file, for messages. */
  readonly cache: string;
  /** Its descriptor, which all threads of the process share. */
  readonly descriptor: number;
  /** Where the pixels begin, in bytes. */
  readonly offset: number;
  readonly width: number;
  readonly height: number;
  /** CRC-32 of the pixels. */
  readonly checksum: number;
  /** It has the network's size: what is left to do are changes at random. */
  readonly fitted: boolean;
  /** The file that it was decoded from, for messages. */
  readonly path: string;
}

/** An encoded picture in a file of many, which stays open while the split is used. */
export interface PackedPicture {
  readonly kind: 'packed';
  /** The file's descriptor, which all threads of the process share. */
  readonly descriptor: number;
  /** Where it begins and how long it is, in bytes. */
  readonly offset: number;
  readonly length: number;
  /** Where it came from, for messages. */
  readonly path: string;
}

/** Labelled pictures in a fixed order. */
export interface Split {
  readonly size: number;
  /** What is to be said of sample i: of classes the index into the data set's labels. */
  label(i: number): Target;
  /** Where sample i's picture is now: a file the first time, perhaps decoded later. */
  source(i: number): PictureSource;
  /** Sample i's picture, decoded: RGB, upright. */
  picture(i: number): Promise<Picture>;
  /** Offers sample i's decoded picture for keeping, so that the next epoch need not decode it again. */
  keep?(i: number, picture: Picture): void;
  /** Of pictures that are files: what a cache of them is told apart by. */
  readonly files?: SplitFiles;
}

/** The files of a split's pictures. */
export interface SplitFiles {
  /** Which part of which data set it is, and how it was split: another origin, another cache. */
  readonly origin: string;
  /** The data set's folder, as it was given. */
  readonly folder: string;
  /** By sample. */
  readonly paths: readonly string[];
}

/** Labelled pictures in two parts. */
export interface PictureDataset {
  readonly kind: 'image';
  readonly name: string;
  readonly labels: readonly string[];
  /** Folders tell one label each. */
  readonly problemType: ProblemType;
  readonly train: Split;
  readonly test: Split;
  /** Unreadable pictures left out (--skip-bad). */
  readonly skipped: number;
  /** What a run that trains on it has seen; null where it needs no telling apart from other data. */
  readonly contents: TrainedOn | null;
  /** What was guessed or left out, in sentences for the user. */
  readonly notices: readonly string[];
}

/** How a data set is opened, whatever it holds. */
export interface DatasetOptions {
  /** Decides which samples are held out where the data has no split of its own. */
  readonly seed: number;
  /** Leaves out unreadable samples and counts them, instead of stopping at the first. */
  readonly skipBad?: boolean;
  /** Share of each class held out for testing where the data has no split of its own; 0.2 unless given. */
  readonly validationFraction?: number;
  /** There where the data is to judge a model. */
  readonly judging?: Judging;
  /** What the model takes that the data is for, where that can be told; asked where there is no data. */
  readonly takes?: () => Promise<'image' | 'text' | undefined>;
  /** What is asked of the data; what it tells unless given. */
  readonly task?: ProblemType;
  /** Told how much of a text's rows has been read, from 0 to 1. May throw to stop. */
  readonly onRead?: (share: number) => void;
}

/** A split whose pictures lie decoded in one block of shared memory, (n, height, width, 3). */
export function decodedSplit(
  pixels: Uint8Array,
  labels: Uint8Array | Int32Array,
  { height, width }: { readonly height: number; readonly width: number },
): Split {
  const bytes = height * width * 3;
  const picture = (i: number): Picture => ({ width, height, data: pixels.subarray(i * bytes, (i + 1) * bytes) });
  return {
    size: labels.length,
    label: (i) => labels[i],
    source: (i) => ({ kind: 'decoded', picture: picture(i) }),
    picture: async (i) => picture(i),
  };
}

/** Bytes that all threads see. */
export function sharedBytes(length: number): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(length));
}
