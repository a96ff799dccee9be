/**
 * How many steps are handed to the device before the numbers of the first are waited for: it then never waits for a
 * host that only prints.
 */
const STEPS_AHEAD = 2;

/** What is known of a step once its numbers are here. */
export interface FinishedStep<Values> {
  readonly values: Values;
  /**
   * From its start, or from the end of the step before where that came later. Where the numbers of several steps come
   * at once, one of them has the time of all: a mean over some steps tells how long one takes.
   */
  readonly msPerStep: number;
  /** When they were here, by the clock of `performance.now()`. */
  readonly endedAt: number;
}

/** Steps under way. */
export interface StepsAhead<Facts, Values> {
  /** A step that was started then, whose numbers are being read. Waits where too many are under way. */
  add(step: Facts & { readonly started: number }, reading: Promise<Values>): Promise<void>;
  /** Waits for all of them. */
  all(): Promise<void>;
}

/** Tells of steps in their order, each once its numbers are here, and lets at most `STEPS_AHEAD` of them be awaited. */
export function stepsAhead<Facts, Values>(
  tell: (step: Facts & FinishedStep<Values>) => Promise<void> | void,
): StepsAhead<Facts, Values> {
  const waiting: (() => Promise<void>)[] = [];
  let lastEnd = 0;
  async function tellOldest(): Promise<void> {
    await waiting.shift()?.();
  }
  return {
    async add(step, reading) {
      const finished = reading.then((values) => ({ values, end: performance.now() }));
      // Whoever tells of the step hears of its failure, and that may be later.
      finished.catch(() => undefined);
      waiting.push(async () => {
        const { values, end } = await finished;
        // The numbers of a step may be here before all of those of the step before are.
        const msPerStep = Math.max(0, end - Math.max(step.started, lastEnd));
        lastEnd = Math.max(lastEnd, end);
        await tell({ ...step, values, msPerStep, endedAt: end });
      });
      if (waiting.length > STEPS_AHEAD) await tellOldest();
    },
    async all() {
      while (waiting.length > 0) await tellOldest();
    },
  };
}
