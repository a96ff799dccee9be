/**
 * How long one answer takes, for several ways to compute it, told in one run: absolute times drift with the machine,
 * ratios don't.
 */
import type { OperationTime } from '../../runtime/engine/profile.ts';
import type { Weights } from '../compress/quantize.ts';
import { type Summary, summarize } from './summary.ts';

/** One way to run a model. */
export interface LatencyCase {
  readonly name: string;
  /** What computes, such as `onnxruntime-node 1.30.0`. */
  readonly engine: string;
  /** Of the weights. */
  readonly dtype: 'f32' | Weights;
  /** Of the adapters; null for the dense model. */
  readonly rank: number | null;
  open(): Promise<Subject>;
}

/** A case that is ready to run. */
export interface Subject {
  /** Size of the model as a file. */
  readonly bytes: number;
  /** Computes the logits of one sample, always the same. */
  run(): Float32Array | Promise<Float32Array>;
  /** Where the time of one call goes; absent where the engine can't tell. */
  profile?(): readonly OperationTime[];
  close(): Promise<void>;
}

/**
 * How often each case is called. `onCall` is told of each call of a round, the uncounted ones included, and may throw
 * to stop.
 */
export interface LatencyOptions {
  /** Timed calls of each case. */
  readonly calls: number;
  /** Calls of each case before, which are not counted. */
  readonly warmUp: number;
  /** Whether to ask where the time goes, after the timed calls. */
  readonly profile: boolean;
  readonly onCall?: (done: number, total: number, name: string) => void;
}

/**
 * The timings of one case in milliseconds, with its size as a file and the logits (K) that it computed, for a
 * comparison of the cases.
 */
export interface CaseLatency extends Summary, Omit<LatencyCase, 'open'> {
  readonly bytes: number;
  readonly logits: Float32Array;
  /** Null where it was not asked for or the engine can't tell. */
  readonly profile: readonly OperationTime[] | null;
}

/** Times all cases, one call each a round, so that what slows the machine slows them alike. */
export async function benchLatency(
  cases: readonly LatencyCase[],
  { calls, warmUp, profile, onCall }: LatencyOptions,
): Promise<CaseLatency[]> {
  const running: {
    readonly given: LatencyCase;
    readonly subject: Subject;
    readonly times: number[];
    logits: Float32Array;
  }[] = [];
  const total = cases.length * (warmUp + calls);
  let done = 0;
  const told = (name: string): void => onCall?.(++done, total, name);
  try {
    for (const given of cases) {
      const subject = await given.open();
      running.push({ given, subject, times: [], logits: new Float32Array() });
      for (let i = 0; i < warmUp; i++) {
        await subject.run();
        told(given.name);
      }
    }
    for (let round = 0; round < calls; round++) {
      for (const entry of running) {
        const started = performance.now();
        entry.logits = await entry.subject.run();
        entry.times.push(performance.now() - started);
        told(entry.given.name);
      }
    }
    return running.map(({ given: { name, engine, dtype, rank }, subject, times, logits }) => ({
      name,
      engine,
      dtype,
      rank,
      ...summarize(times),
      bytes: subject.bytes,
      logits,
      profile: (profile && subject.profile?.()) || null,
    }));
  } finally {
    for (const { subject } of running) await subject.close();
  }
}
