/** What a million answers cost where computing is paid for by the millisecond. */
import { failing, list, type Parsed, record, text, valueThat, wholeFrom } from '../../../runtime/artifact/schema.ts';
import { UserError } from '../../io/errors.ts';
import { readJson } from '../../io/files.ts';
import own from '../prices.json' with { type: 'json' };

const price = valueThat<number>('a number of dollars, 0 or more', (json) => Number.isFinite(json) && json >= 0);
const megabytes = wholeFrom(1, 2 ** 20);

const fields = {
  /** When the prices were read. */
  date: valueThat<string>('a date as 2026-08-03', (json) => /^\d{4}-\d\d-\d\d$/.test(json)),
  lambda: record({
    source: text,
    perMillionRequests: price,
    perGbSecond: record({ x86: price, arm: price }),
    /** Sizes that are told, ascending. */
    memoryMb: list(megabytes, 1, 16),
    /** Of how much memory a function has one whole processor; of less it has that share of one. */
    oneProcessorMb: megabytes,
  }),
  workers: record({ source: text, perMillionRequests: price, perMillionCpuMs: price, memoryMb: megabytes }),
};

/** The price table: Slim's own, or a user's of the same form. */
export type Prices = Parsed<typeof fields>;

/** Slim's own table, or that of a file. UserError that names the field which is wrong. */
export async function readPrices(path: string | undefined): Promise<Prices> {
  const where = path ?? 'prices.json';
  const read = failing(
    (message) => new UserError(message, 'The form is that of `prices` in what --json prints.'),
    record(fields),
  );
  return read(where, path === undefined ? own : await readJson(path));
}

/** What one answer takes. */
export interface AnswerCost {
  /** By the clock, and of processors. */
  readonly latencyMs: number;
  readonly cpuMs: number;
  /** Of the process. */
  readonly residentBytes: number;
}

/** Dollars for a million answers; null where the memory does not hold it. */
export interface LambdaDollars {
  readonly memoryMb: number;
  readonly x86: number | null;
  readonly arm: number | null;
}

const GB_IN_MB = 1024;

/**
 * By memory size. Processors come with memory: below `oneProcessorMb` an answer takes as much longer as there is less
 * of one. Begun milliseconds are billed whole. This machine's processor stands for Lambda's.
 */
export function lambdaDollars(
  { latencyMs, cpuMs, residentBytes }: AnswerCost,
  { perMillionRequests, perGbSecond, memoryMb, oneProcessorMb }: Prices['lambda'],
): LambdaDollars[] {
  return memoryMb.map((memory) => {
    if (residentBytes > memory * 2 ** 20) return { memoryMb: memory, x86: null, arm: null };
    const billedMs = Math.max(1, Math.ceil(Math.max(latencyMs, (cpuMs * oneProcessorMb) / memory)));
    // A million answers of so many milliseconds: as many thousand seconds.
    const gbSeconds = 1000 * billedMs * (memory / GB_IN_MB);
    const dollars = (each: number): number => perMillionRequests + gbSeconds * each;
    return { memoryMb: memory, x86: dollars(perGbSecond.x86), arm: dollars(perGbSecond.arm) };
  });
}

/** By processor time, which is billed as it is. */
export function workersDollars(
  { cpuMs }: Pick<AnswerCost, 'cpuMs'>,
  { perMillionRequests, perMillionCpuMs }: Prices['workers'],
): number {
  return perMillionRequests + cpuMs * perMillionCpuMs;
}
