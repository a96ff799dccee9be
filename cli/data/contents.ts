/** What of a data set a model was trained on: told by the contents, wherever they lie and whatever they are called. */
import { createHash, type Hash } from 'node:crypto';

/** Samples that a model has been trained on. */
export interface TrainedOn {
  /** Of texts what they say, in their order; of pictures their files' names, classes and sizes. */
  readonly digest: string;
  /** Whether a share of them was held out, which it may be judged on. */
  readonly heldOut: boolean;
}

/** Makes the digest of samples that come one by one. */
export interface ContentsHash {
  add(...parts: readonly string[]): void;
  digest(): string;
}

/** Of samples, each of some texts; where one ends and the next begins counts, too. */
export function contentsHash(): ContentsHash {
  const hash: Hash = createHash('sha256');
  return {
    add: (...parts) => void hash.update(JSON.stringify(parts)),
    digest: () => `sha256:${hash.digest('hex')}`,
  };
}

/** How a data set is opened that is to judge a model. */
export interface Judging {
  /** What the model was trained on; null where nobody recorded it: the data is then split as for training. */
  readonly trainedOn: readonly TrainedOn[] | null;
  /** Whether the command takes all parts where it is asked to: --part all. */
  readonly offersAll?: boolean;
  /** Whether the label columns are those that the model was trained with, of which the data may have some. */
  readonly mayLackLabels?: boolean;
}

/**
 * Whether data without a split of its own judges as a whole: unless the model was trained on a share of it. `judging` is
 * undefined where the data is for training.
 */
export function judgesWhole(judging: Judging | undefined, digest: string): boolean {
  if (judging === undefined || judging.trainedOn === null) return false;
  return !judging.trainedOn.some((known) => known.digest === digest && known.heldOut);
}

/** What there is to say where a whole data set judges that a model has seen; nothing where it has not. */
export function seenNotices(judging: Judging | undefined, digest: string, name: string): readonly string[] {
  return judging?.trainedOn?.some((known) => known.digest === digest)
    ? [`The model was trained on all of ${name}: what it scores there tells little of other samples.`]
    : [];
}

/**
 * What there is to say of the part that judges, such as `val/`: of data that the model was not trained on, that it is
 * not all.
 */
export function partNotice(judging: Judging | undefined, digest: string, name: string, part: string): string {
  const isKnown = (judging?.trainedOn ?? null) === null || judging!.trainedOn!.some((known) => known.digest === digest);
  return judging?.offersAll !== true || isKnown
    ? `Models are judged on ${part}.`
    : `${name} has parts: its ${part} judges; --part all takes all.`;
}
