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
export function expectCacheable(
  { kind }: Dataset,
  { cacheTeacher, augment, relationLoss, mixtures = 0 }: TrainFlags,
): void {
  if (cacheTeacher === '') throw usageError('--cache-teacher is empty: expected a folder');
  if (cacheTeacher !== undefined && relationLoss > 0)
    throw usageError('--cache-teacher with --relation-loss, whose relations are not kept', 'Leave out one of them.');
  if (cacheTeacher !== undefined && mixtures > 0)
    throw usageError('--cache-teacher with --mixtures, which are made anew in every epoch', 'Leave out one of them.');
  if (cacheTeacher === undefined || kind === 'text' || (augment ?? DEFAULT_AUGMENT) === 'none') return;
  throw usageError(
    `--cache-teacher with --augment ${augment ?? `${DEFAULT_AUGMENT} (the default)`}: the pictures change from epoch to epoch`,
    'Keep them as they are: --augment none. Or leave out --cache-teacher.',
  );
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
