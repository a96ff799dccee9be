import type { Picture } from '../../runtime/preprocess/picture.ts';
import { loadPicture } from './picture-source.ts';
import type { PictureSource, Split, SplitFiles } from './split.ts';
import type { Target } from './target.ts';

/** A sample that is decoded when it is first used. */
export interface PictureFile {
  readonly path: string;
  /** Of one class the index into the data set's labels. */
  readonly label: Target;
}

/**
 * What decoded pictures of one split may take: 1 GiB is about 1,900 pictures of 500×375, or all of a small data set.
 */
const defaultKeptBytes = 1024 ** 3;

/**
 * Picture files, decoded when first used and kept as far as `keptBytes` go.
 * @param place which part of which data set they are
 */
export function fileSplit(
  files: readonly PictureFile[],
  place: Omit<SplitFiles, 'paths'>,
  keptBytes = defaultKeptBytes,
): Split {
  const samples = files.map(({ path, label }) => ({ source: { kind: 'file' as const, path }, label }));
  return {
    ...decodedOnUse(samples, keptBytes),
    files: { ...place, paths: files.map(({ path }) => path) },
  };
}

/** Encoded pictures, decoded when first used and kept as far as `keptBytes` go. `label` is an index into the labels. */
export function decodedOnUse(
  samples: readonly { readonly source: PictureSource; readonly label: Target }[],
  keptBytes = defaultKeptBytes,
): Split {
  const kept = new Map<number, Picture>();
  let free = keptBytes;
  const source = (i: number): PictureSource => {
    const picture = kept.get(i);
    return picture === undefined ? samples[i].source : { kind: 'decoded', picture };
  };
  return {
    size: samples.length,
    label: (i) => samples[i].label,
    source,
    picture: (i) => loadPicture(source(i)),
    keep: (i, picture) => {
      if (kept.has(i) || picture.data.length > free) return;
      kept.set(i, picture);
      free -= picture.data.length;
    },
  };
}
