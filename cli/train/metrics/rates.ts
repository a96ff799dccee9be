/** How often a label was given, and rightly. */
export interface Counted {
  /** Of those that were given it, the share that has it. */
  readonly precision: number;
  /** Of those that have it, the share that was given it. */
  readonly recall: number;
  readonly f1: number;
  /** Samples that have it. */
  readonly support: number;
  /** Samples that were given it. */
  readonly predicted: number;
}

/** Rates of counts; 0 where there is nothing to divide by, as in scikit-learn. */
export function ratesOf(hits: number, predicted: number, support: number): Counted {
  return {
    precision: share(hits, predicted),
    recall: share(hits, support),
    f1: share(2 * hits, predicted + support),
    support,
    predicted,
  };
}

/** 0 where there are none. */
export function meanOf(values: readonly number[]): number {
  return share(
    values.reduce((sum, value) => sum + value, 0),
    values.length,
  );
}

/** 0 where there is nothing to divide by. */
export function share(count: number, of: number): number {
  return of === 0 ? 0 : count / of;
}

/** null where one of them is. */
export function meanOrNull(values: readonly (number | null)[]): number | null {
  return values.includes(null) ? null : meanOf(values as readonly number[]);
}
