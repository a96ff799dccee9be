/** How good the subjects of `slim report` are on data: what `slim evaluate` says, with pictures and texts. */
import type { Dataset } from '../data/dataset.ts';
import { openGlyphs } from '../data/glyphs.ts';
import { messageOf, UserError } from '../io/errors.ts';
import { kindOf } from '../io/files.ts';
import type { Io } from '../io/io.ts';
import { createProgress } from '../io/progress.ts';
import { type PictureOptions, thumbnailOf } from '../report/pictures.ts';
import type { Quality, ShownWrong } from '../report/quality-section.ts';
import { configured, type Subject } from '../report/subject.ts';
import { type EvaluateFlags, judgeModel } from './evaluate.ts';
import { inputsOf, type WrongSample } from './evaluate-errors.ts';

/** What was found out by judging, and why some were not judged. */
export interface Judged {
  readonly qualities: readonly (Quality & { readonly path: string })[];
  readonly unjudged: readonly string[];
  /** The data of the first that was judged, with labels by the model's names. */
  readonly data: Dataset | null;
}

/** Flags of `slim evaluate`; `data: false` is --no-data. */
export type QualityFlags = Omit<EvaluateFlags, 'data' | 'errors' | 'overwrite' | 'json'> & {
  readonly data?: string | false;
};

/**
 * Judges what has its weights, on --data or on what its run remembers: that may be gone or have changed since, which is
 * then said instead.
 */
export async function judgeSubjects(
  subjects: readonly Subject[],
  flags: QualityFlags,
  shown: PictureOptions,
  io: Io,
): Promise<Judged> {
  const judged: { qualities: (Quality & { path: string })[]; unjudged: string[]; data: Dataset | null } = {
    qualities: [],
    unjudged: [],
    data: null,
  };
  if (flags.data === false) return judged;
  // What remembers no data, as a teacher from elsewhere, is judged on that of what it is compared with.
  const remembered = subjects.map((subject) => configured(subject, 'data')).find((data) => data !== null) ?? null;
  for (const subject of subjects) {
    const data = flags.data ?? configured(subject, 'data') ?? remembered;
    // What goes on is told of by its curves.
    if (data === null || (subject.record !== null && subject.record.status !== 'finished')) continue;
    try {
      const { quality, opened } = await judgeSubject(subject, data, flags, shown, io);
      judged.qualities.push(quality);
      judged.data ??= opened;
    } catch (error) {
      if (flags.data !== undefined || !(error instanceof UserError)) throw error;
      judged.unjudged.push(`${subject.name} was not judged: ${messageOf(error)}.`);
    }
  }
  for (const why of judged.unjudged) createProgress(io.stderr, 'data').line(`note: ${why}`);
  return judged;
}

async function judgeSubject(
  { path, name }: Subject,
  dataPath: string,
  flags: QualityFlags,
  shown: PictureOptions,
  io: Io,
): Promise<{ readonly quality: Quality & { readonly path: string }; readonly opened: Dataset }> {
  if ((await kindOf(dataPath)) === 'absent' && openGlyphs(dataPath) === null)
    throw new UserError(`there is no data at ${dataPath}`, 'Say where it is: --data.');
  const { data: _, ...others } = flags;
  const { data, names, result, wrong } = await judgeModel(path, dataPath, others, shown.samples, io);
  const { samples, skipped, ...metrics } = result;
  const pictured = await shownWrong(data, wrong, shown.side);
  return {
    quality: { path, name, data: data.name, metrics, samples, skipped, wrong: pictured },
    opened: { ...data, labels: names },
  };
}

async function shownWrong(data: Dataset, wrong: readonly WrongSample[], side: number): Promise<ShownWrong[]> {
  const inputs = await inputsOf(data, wrong);
  const shown: ShownWrong[] = [];
  for (const [i, { part, ...answer }] of wrong.entries()) {
    const { file, place = file, text, text_pair: pair } = inputs[i];
    const picture = data.kind === 'image' ? await thumbnailOf(await data[part].picture(answer.row), side) : undefined;
    shown.push({ ...answer, place, picture, text, pair });
  }
  return shown;
}
