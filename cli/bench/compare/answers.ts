/** What peers answer: how good it is, and how far it is what Slim answers. */
import { PROBLEMS, type ProblemType, type Score } from '../../../runtime/artifact/problem-type.ts';
import { SCORES } from '../../../runtime/http/inference.ts';
import type { Io } from '../../io/io.ts';
import { createJudge, type Outputs } from '../../train/evaluate.ts';
import { argmax } from '../../train/scorer.ts';
import type { CallShape, Peer } from './peers.ts';
import { startPeerProcess } from './probe-process.ts';

/** Texts are padded to a multiple of it where a graph has a static length: one file for each that occurs. */
const LENGTH_STEP = 32;
/** Samples that are sent at once. */
const AT_ONCE = 32;

/** Answers every sample of a peer, one at a time, in the data's order. */
export async function answersOf(
  peer: Peer,
  longest: number | null,
  { signal }: Pick<Io, 'signal'>,
  onAnswers: (count: number) => void,
): Promise<readonly Float32Array[]> {
  const answers = new Array<Float32Array>(peer.samples.length);
  const process = startPeerProcess(peer.name, signal);
  try {
    for (const [tokens, places] of byLength(peer, longest)) {
      const shape: CallShape = { batch: 1, tokens, padded: true };
      await process.ask({ ask: 'open', model: await peer.modelFor(shape) });
      for (let i = 0; i < places.length; i += AT_ONCE) {
        const some = places.slice(i, i + AT_ONCE);
        const samples = some.map((place) => peer.inputOf(place, null));
        const given = await process.ask({ ask: 'answer', samples, batch: 1 });
        some.forEach((place, j) => (answers[place] = given[j]));
        onAnswers(some.length);
      }
    }
    return answers;
  } finally {
    await process.stop();
  }
}

/** Places of samples by the length that they are padded to; all under null where none is. */
function byLength({ samples }: Peer, longest: number | null): ReadonlyMap<number | null, number[]> {
  const groups = new Map<number | null, number[]>();
  samples.forEach(({ tokens }, place) => {
    const padded = tokens === null ? null : Math.min(longest ?? tokens, Math.ceil(tokens / LENGTH_STEP) * LENGTH_STEP);
    groups.set(padded, [...(groups.get(padded) ?? []), place]);
  });
  return groups;
}

/** The score of a peer's answers. */
export function scoreOfAnswers(
  { samples }: Peer,
  answers: readonly Float32Array[],
  about: { readonly problemType: ProblemType; readonly outputs: Outputs },
): Score {
  const judge = createJudge(about);
  answers.forEach((logits, row) => judge.add(logits, samples[row].target, row));
  return judge.score();
}

/** How far a peer answers what Slim does. */
export interface Likeness {
  /** Share of samples with the same label, or the same labels; null of numbers. */
  readonly sameAnswers: number | null;
  /** Null where its logits are others by nature. */
  readonly largestLogitDifference: number | null;
  /** Of probabilities; of numbers themselves. */
  readonly largestScoreDifference: number;
}

/** Compares answers with Slim's to the same samples. */
export function likenessOf(
  slim: readonly Float32Array[],
  peer: readonly Float32Array[],
  problemType: ProblemType,
  sameLogits: boolean,
): Likeness {
  const scores = SCORES[PROBLEMS[problemType].scores];
  let [same, logit, score] = [0, 0, 0];
  slim.forEach((ours, row) => {
    const theirs = peer[row];
    if (answersAlike(ours, theirs, problemType)) same++;
    logit = Math.max(logit, largestDifference(ours, theirs));
    score = Math.max(score, largestDifference(scores(ours), scores(theirs)));
  });
  return {
    sameAnswers: problemType === 'regression' ? null : same / slim.length,
    largestLogitDifference: sameLogits ? logit : null,
    largestScoreDifference: score,
  };
}

function answersAlike(a: Float32Array, b: Float32Array, problemType: ProblemType): boolean {
  if (problemType === 'single_label_classification') return argmax(a) === argmax(b);
  return a.every((logit, k) => logit > 0 === b[k] > 0);
}

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let largest = 0;
  for (let k = 0; k < a.length; k++) largest = Math.max(largest, Math.abs(a[k] - b[k]));
  return largest;
}
