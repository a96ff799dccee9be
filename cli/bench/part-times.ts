import { summarize } from './summary.ts';

/** What one part of a pipeline takes for one sample. */
export interface PartTime {
  /** What counts for how many are ready in a second. */
  readonly meanMs: number;
  readonly medianMs: number;
}

/** Times the parts of a pipeline, each by its name. */
export interface PartTimer<Name extends string> {
  time<T>(name: Name, part: () => T | Promise<T>): Promise<T>;
  /** Of one sample, measured elsewhere. */
  add(name: Name, ms: number): void;
  /** Parts that never ran are absent. */
  times(): Partial<Record<Name, PartTime>>;
}

/** A timer that has seen nothing yet. */
export function partTimer<Name extends string>(): PartTimer<Name> {
  const taken = new Map<Name, number[]>();
  const add = (name: Name, ms: number): void => {
    const before = taken.get(name);
    if (before === undefined) taken.set(name, [ms]);
    else before.push(ms);
  };
  return {
    async time(name, part) {
      const began = performance.now();
      const result = await part();
      add(name, performance.now() - began);
      return result;
    },
    add,
    times() {
      const entries = [...taken].map(([name, times]) => {
        const meanMs = times.reduce((sum, ms) => sum + ms, 0) / times.length;
        return [name, { meanMs, medianMs: summarize(times).medianMs }];
      });
      return Object.fromEntries(entries) as Partial<Record<Name, PartTime>>;
    },
  };
}
