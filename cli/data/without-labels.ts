/** A data set without some of its labels, as --labels leaves them out. */
import { UserError } from '../io/errors.ts';
import { counted, someOf } from '../io/words.ts';
import type { Dataset } from './dataset.ts';
import type { Split } from './split.ts';
import type { Target } from './target.ts';
import type { TextRows } from './text/dataset.ts';

/**
 * Of classes their samples go, of several labels or numbers what the samples say of them; a notice tells how many.
 * UserError where nothing is left that judges.
 */
export function withoutLabels(data: Dataset, dropped: readonly string[]): Dataset {
  if (dropped.length === 0) return data;
  const kept = [...data.labels.keys()].filter((i) => !dropped.includes(data.labels[i]));
  const labels = kept.map((i) => data.labels[i]);
  const narrow = narrowing(kept);
  const train = data.kind === 'text' ? rowsOf(data.train, kept, narrow) : splitOf(data.train, dropped, narrow);
  const test = data.kind === 'text' ? rowsOf(data.test, kept, narrow) : splitOf(data.test, dropped, narrow);
  if (test.size === 0 || labels.length === 0)
    throw new UserError(
      `--labels leaves out ${someOf(dropped)}, and nothing of ${data.name} is left to judge by`,
      "Give some of the data's classes one of the model's.",
    );
  const gone = data.train.size + data.test.size - train.size - test.size;
  const what =
    data.problemType === 'single_label_classification'
      ? `${counted(gone, 'sample')} of ${someOf(dropped)}`
      : someOf(dropped);
  const notices = [...data.notices, `Left out, as --labels says: ${what}.`];
  return { ...data, labels, train, test, notices } as Dataset;
}

/** What is asked of a sample when only these labels are left; null where it is left out itself. */
function narrowing(kept: readonly number[]): (target: Target) => Target | null {
  const places = new Map(kept.map((old, place) => [old, place]));
  return (target) =>
    typeof target === 'number' ? (places.get(target) ?? null) : Float32Array.from(kept, (i) => target[i]);
}

function rowsOf(part: TextRows, kept: readonly number[], narrow: (target: Target) => Target | null): TextRows {
  const counts = part.counts && kept.map((i) => part.counts![i]);
  return {
    size: counts?.reduce((sum, count) => sum + count, 0) ?? part.size,
    counts,
    async *rows() {
      for await (const row of part.rows()) {
        const label = narrow(row.label);
        if (label !== null) yield { ...row, label };
      }
    },
  };
}

function splitOf(part: Split, dropped: readonly string[], narrow: (target: Target) => Target | null): Split {
  const samples = Array.from({ length: part.size }, (_, i) => i).flatMap((i) => {
    const label = narrow(part.label(i));
    return label === null ? [] : [{ i, label }];
  });
  const { files, keep } = part;
  return {
    size: samples.length,
    label: (place) => samples[place].label,
    source: (place) => part.source(samples[place].i),
    picture: (place) => part.picture(samples[place].i),
    ...(keep && { keep: (place, picture) => keep(samples[place].i, picture) }),
    ...(files && {
      files: {
        ...files,
        origin: JSON.stringify({ of: files.origin, dropped }),
        paths: samples.map(({ i }) => files.paths[i]),
      },
    }),
  };
}
