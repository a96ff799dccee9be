/** What is measured of peers: all of them in turn, so that what slows the machine slows them alike. */
import type { Io } from '../../io/io.ts';
import { summarize } from '../summary.ts';
import type { CallShape, Peer } from './peers.ts';
import { type PeerProcess, startPeerProcess } from './probe-process.ts';
import type { PeerInput, Timed } from './protocol.ts';

/** How much is measured. */
export interface Amounts {
  /** Rounds in which every peer answers once, or for `ROUND_MS`. */
  readonly rounds: number;
  /** New processes of each peer. */
  readonly processes: number;
  /** Numbers of processes that answer side by side. */
  readonly threads: readonly number[];
  readonly seconds: number;
}

/** Small models answer several times in their turn: what comes first pays for the wait before it. */
const ROUND_MS = 10;
/** Rounds before those that count. */
export const WARM_UP_ROUNDS = 3;

interface Started {
  readonly peer: Peer;
  readonly process: PeerProcess;
}

/** Runs a job with a process for each peer, and ends them, whatever happens. */
async function withProcesses<T>(
  peers: readonly Peer[],
  signal: AbortSignal,
  job: (started: Started[]) => Promise<T>,
): Promise<T> {
  const started = peers.map((peer) => ({ peer, process: startPeerProcess(peer.name, signal) }));
  try {
    return await job(started);
  } finally {
    await Promise.all(started.map(({ process }) => process.stop()));
  }
}

/** Every call of every peer, by round: `times` in milliseconds for a whole batch. */
export async function timeCalls(
  peers: readonly Peer[],
  shape: CallShape,
  inputsOf: (peer: Peer) => readonly PeerInput[],
  rounds: number,
  { signal }: Pick<Io, 'signal'>,
  onRound: () => void,
): Promise<ReadonlyMap<string, readonly Timed[]>> {
  return withProcesses(peers, signal, async (started) => {
    const timed = new Map<string, Timed[]>(peers.map(({ name }) => [name, []]));
    for (const { peer, process } of started) await process.ask({ ask: 'open', model: await peer.modelFor(shape) });
    for (let round = -WARM_UP_ROUNDS; round < rounds; round++) {
      for (const { peer, process } of started) {
        const result = await process.ask({ ask: 'time', samples: inputsOf(peer), ms: ROUND_MS });
        if (round >= 0) timed.get(peer.name)!.push(result);
      }
      onRound();
    }
    return timed;
  });
}

/** Of one new process. */
export interface Start {
  /** From an empty process that runs to a model that can answer. */
  readonly loadMs: number;
  /** From no process to the first answer. */
  readonly coldMs: number;
  /** In memory, after some answers. */
  readonly residentBytes: number;
}

/** Starts each peer so often, one process at a time. */
export async function timeStarts(
  peers: readonly Peer[],
  shape: CallShape,
  inputsOf: (peer: Peer) => readonly PeerInput[],
  processes: number,
  { signal }: Pick<Io, 'signal'>,
  onProcess: () => void,
): Promise<ReadonlyMap<string, readonly Start[]>> {
  const starts = new Map<string, Start[]>(peers.map(({ name }) => [name, []]));
  for (let i = 0; i < processes; i++) {
    for (const peer of peers) {
      const [model, samples] = [await peer.modelFor(shape), inputsOf(peer)];
      const began = performance.now();
      const start = await withProcesses([peer], signal, async ([{ process }]) => {
        const loadMs = await process.ask({ ask: 'open', model });
        await process.ask({ ask: 'answer', samples, batch: samples.length });
        const coldMs = performance.now() - began;
        await process.ask({ ask: 'time', samples, ms: 10 * ROUND_MS });
        return { loadMs, coldMs, residentBytes: await process.ask({ ask: 'memory' }) };
      });
      starts.get(peer.name)!.push(start);
      onProcess();
    }
  }
  return starts;
}

/** Answers a second of `count` processes of one thread each, all at once. */
export async function throughput(
  peer: Peer,
  shape: CallShape,
  samples: readonly PeerInput[],
  count: number,
  seconds: number,
  { signal }: Pick<Io, 'signal'>,
): Promise<number> {
  const model = await peer.modelFor(shape);
  return withProcesses(
    Array.from({ length: count }, () => peer),
    signal,
    async (started) => {
      await Promise.all(started.map(({ process }) => process.ask({ ask: 'open', model })));
      await Promise.all(started.map(({ process }) => process.ask({ ask: 'time', samples, ms: 10 * ROUND_MS })));
      const timed = await Promise.all(
        started.map(({ process }) => process.ask({ ask: 'time', samples, ms: 1000 * seconds })),
      );
      const perSecond = ({ times }: Timed): number => (1000 * times.length) / times.reduce((sum, ms) => sum + ms, 0);
      return timed.reduce((sum, one) => sum + samples.length * perSecond(one), 0);
    },
  );
}

/** Processor milliseconds of one call: the median of the rounds. */
export function cpuOf(rounds: readonly Timed[]): number {
  return summarize(rounds.map(({ cpuMs, times }) => cpuMs / times.length)).medianMs;
}
