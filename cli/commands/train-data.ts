/** What distillation takes beside labelled samples, as flags ask for it. */
import type { Dataset } from '../data/dataset.ts';
import { UserError, usageError } from '../io/errors.ts';
import { type Io, throwIfInterrupted } from '../io/io.ts';
import { createProgress } from '../io/progress.ts';
import { counted } from '../io/words.ts';
import type { TeacherCacheOptions } from '../train/teacher-cache.ts';
import { openUnlabelled } from '../train/unlabelled.ts';
import type { TrainFlags } from './train-flags.ts';
import { DEFAULT_AUGMENT } from './training.ts';

/** Usage error where the teacher would say something else of a sample in every epoch. */
export function expectCacheable(data: Pick<Dataset, 'kind'>, flags: TrainFlags): void {
  const { cacheTeacher } = flags;
  if (cacheTeacher === undefined) return;
  if (cacheTeacher === '') throw usageError('--cache-teacher is empty: expected a folder');
  const why = whyUncacheable(data, flags);
  if (why !== null) throw usageError(`--cache-teacher with ${why.what}`, why.hint);
}

/** Why what the teacher says can't be kept, and what to do; null where it can. */
export function whyUncacheable(
  { kind }: Pick<Dataset, 'kind'>,
  { augment = DEFAULT_AUGMENT, relationLoss, mixtures = 0 }: Pick<TrainFlags, 'augment' | 'relationLoss' | 'mixtures'>,
): { readonly what: string; readonly hint: string } | null {
  const hint = 'Leave out one of them.';
  if (relationLoss > 0) return { what: '--relation-loss, whose relations are not kept', hint };
  if (mixtures > 0) return { what: '--mixtures, which are made anew in every epoch', hint };
  if (kind === 'text' || augment === 'none') return null;
  return {
    what: `--augment ${augment}${augment === DEFAULT_AUGMENT ? ' (the default)' : ''}: the pictures change from epoch to epoch`,
    hint: 'Keep them as they are: --augment none. Or leave out --cache-teacher.',
  };
}

/** Where --cache-teacher keeps what the teacher says; null without it. */
export function teacherCacheOptions({ cacheTeacher }: TrainFlags, { stderr, signal }: Io): TeacherCacheOptions | null {
  if (cacheTeacher === undefined) return null;
  const progress = createProgress(stderr, 'teacher');
  return {
    folder: cacheTeacher,
    signal,
    onSamples(done, total) {
      progress.update(done, total, 'samples');
      if (done === total) progress.end();
    },
  };
}

/** What --unlabelled names; null where nothing is named. */
export async function openUnlabelledData(
  data: Dataset,
  flags: TrainFlags,
  { stderr, signal }: Io,
): Promise<Dataset | null> {
  const { unlabelled, textColumn, textPairColumn, skipBad, batchSize } = flags;
  if (unlabelled === undefined) return null;
  const progress = createProgress(stderr, 'data');
  const onRow = (done: number): void => {
    throwIfInterrupted(signal);
    if (done % 1000 === 0) progress.update(done, null, `read of ${unlabelled}`);
  };
  const opened = await openUnlabelled(unlabelled, data, { textColumn, textPairColumn, skipBad, onRow });
  progress.end();
  const { size } = opened.train;
  if (size < batchSize)
    throw new UserError(
      `${unlabelled} has ${counted(size, 'sample')}, which is less than one --batch-size ${batchSize}`,
      'Give more of them, or lower --batch-size.',
    );
  return opened;
}
