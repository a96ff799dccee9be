/** One run of `slim bench compare`: accuracy and likeness first, then times, all peers side by side. */
import type { ProblemType, Score } from '../../../runtime/artifact/problem-type.ts';
import type { Io } from '../../io/io.ts';
import type { Outputs } from '../../train/evaluate.ts';
import { type Spread, spreadOf, summarize } from '../summary.ts';
import { answersOf, type Likeness, likenessOf, scoreOfAnswers } from './answers.ts';
import { type Amounts, cpuOf, throughput, timeCalls, timeStarts } from './measure.ts';
import type { CallShape, Peer } from './peers.ts';
import { type LambdaDollars, lambdaDollars, type Prices, workersDollars } from './prices.ts';
import type { PeerInput, Timed } from './protocol.ts';

/** The times of calls of one shape: of a whole batch. */
export interface ShapeTimes extends Spread {
  readonly batch: number;
  readonly tokens: number | null;
  readonly calls: number;
}

/** All that is told of one peer. */
export interface Compared {
  readonly name: string;
  readonly engine: string;
  readonly score: Score;
  /** Null of Slim itself. */
  readonly likeness: Likeness | null;
  readonly parameters: number;
  readonly macs: number | null;
  readonly modelBytes: number;
  readonly installedBytes: number;
  readonly installed: string;
  /** Medians over new processes. */
  readonly loadMs: number;
  readonly coldMs: number;
  readonly residentBytes: number;
  /** Of the first shape: one sample. */
  readonly cpuMs: number;
  readonly latency: readonly ShapeTimes[];
  /** Answers a second, by how many processes of one thread answer at once. */
  readonly throughput: readonly { readonly threads: number; readonly perSecond: number }[];
  readonly dollarsPerMillion: { readonly lambda: readonly LambdaDollars[]; readonly workers: number | null };
}

/** What is compared, and how. */
export interface CompareOptions {
  readonly problemType: ProblemType;
  readonly outputs: Outputs;
  /** Calls to time; the first is one sample, which all but latency is measured with. */
  readonly shapes: readonly CallShape[];
  /** Tokens of the longest text that all models take; null of pictures. */
  readonly longest: number | null;
  readonly amounts: Amounts;
  readonly prices: Prices;
  readonly io: Io;
  /** Told of what was done, and of how many steps that is: one unless given. */
  onStep(what: string, count?: number): void;
}

/** What every call took, by peer and shape, for who wants to look closer. */
export type RawTimes = readonly {
  readonly peer: string;
  readonly batch: number;
  readonly tokens: number | null;
  readonly rounds: readonly Timed[];
}[];

/** Runs it all. The first peer is Slim. */
export async function compare(
  peers: readonly Peer[],
  options: CompareOptions,
): Promise<{ readonly compared: readonly Compared[]; readonly raw: RawTimes }> {
  const { shapes, amounts, io, onStep } = options;
  const answers = await answersOfAll(peers, options);
  const [first] = shapes;
  const starts = await timeStarts(peers, first, callInputs(first), amounts.processes, io, () => onStep('started'));
  const raw: RawTimes[number][] = [];
  for (const shape of shapes) {
    const timed = await timeCalls(peers, shape, callInputs(shape), amounts.rounds, io, () => onStep(shapeName(shape)));
    for (const [peer, rounds] of timed) raw.push({ peer, batch: shape.batch, tokens: shape.tokens, rounds });
  }
  const rates = await ratesOfAll(peers, options);
  const compared = peers.map((peer, i): Compared => {
    const own = raw.filter((times) => times.peer === peer.name);
    const median = (of: 'loadMs' | 'coldMs' | 'residentBytes'): number =>
      summarize(starts.get(peer.name)!.map((start) => start[of])).medianMs;
    const latency = own.map(({ batch, tokens, rounds }) => {
      const times = rounds.flatMap((round) => round.times);
      return { batch, tokens, calls: times.length, ...spreadOf(times) };
    });
    const cost = {
      latencyMs: latency[0].medianMs,
      cpuMs: cpuOf(own[0].rounds),
      residentBytes: median('residentBytes'),
    };
    return {
      name: peer.name,
      engine: peer.engine,
      score: scoreOfAnswers(peer, answers[i], options),
      likeness: i === 0 ? null : likenessOf(answers[0], answers[i], options.problemType, peer.sameLogits),
      parameters: peer.parameters,
      macs: peer.macs,
      modelBytes: peer.modelBytes,
      installedBytes: peer.installed.bytes,
      installed: peer.installed.what,
      loadMs: median('loadMs'),
      coldMs: median('coldMs'),
      residentBytes: cost.residentBytes,
      cpuMs: cost.cpuMs,
      latency,
      throughput: rates[i],
      dollarsPerMillion: {
        lambda: lambdaDollars(cost, options.prices.lambda),
        workers: peer.runsOnWorkers ? workersDollars(cost, options.prices.workers) : null,
      },
    };
  });
  return { compared, raw };
}

async function answersOfAll(
  peers: readonly Peer[],
  { longest, io, onStep }: CompareOptions,
): Promise<(readonly Float32Array[])[]> {
  const all: (readonly Float32Array[])[] = [];
  for (const peer of peers)
    all.push(await answersOf(peer, longest, io, (count) => onStep(`${peer.name} answers`, count)));
  return all;
}

async function ratesOfAll(
  peers: readonly Peer[],
  { shapes: [shape], amounts: { threads, seconds }, io, onStep }: CompareOptions,
): Promise<Compared['throughput'][]> {
  const all: Compared['throughput'][number][][] = peers.map(() => []);
  for (const count of threads) {
    for (const [i, peer] of peers.entries()) {
      const perSecond = await throughput(peer, shape, callInputs(shape)(peer), count, seconds, io);
      all[i].push({ threads: count, perSecond });
      onStep(`${count} at once`);
    }
  }
  return all;
}

/** The inputs of a call: the first samples, of texts brought to the shape's length. */
function callInputs({ batch, tokens }: CallShape): (peer: Peer) => PeerInput[] {
  return ({ samples, inputOf }) => Array.from({ length: batch }, (_, i) => inputOf(i % samples.length, tokens));
}

/** one sample · 8 at once · 128 tokens */
export function shapeName({ batch, tokens }: Pick<CallShape, 'batch' | 'tokens'>): string {
  const texts = tokens === null ? '' : `${tokens} tokens`;
  return batch === 1 ? texts || 'one picture' : `${batch}${texts === '' ? ' pictures' : ` × ${texts}`}`;
}
