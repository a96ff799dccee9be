import { printable } from './printable.ts';

/** Progress on stderr: one line that redraws itself on a terminal, plain lines now and then elsewhere. */
export interface Progress {
  /** `done` of `total` units are finished, null where nobody knows of how many; `detail` is what to say of them. */
  update(done: number, total: number | null, detail: string): void;
  /** A line that stays. */
  line(text: string): void;
  /** Ends the redrawn line. */
  end(): void;
}

/**
 * The part of process.stderr that is used: plain lines unless `isTTY`; a redrawn line is cut at `columns`, 80 unless
 * given.
 */
export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const REDRAW_MS = 100;
const PLAIN_MS = 10_000;

/** Progress of a job that begins now. */
export function createProgress(
  stream: ProgressStream,
  label: string,
  now: () => number = () => performance.now(),
): Progress {
  const terminal = stream.isTTY === true;
  let first: { readonly done: number; readonly at: number } | null = null;
  let lastShown = -Infinity;
  let drawn = false;
  const erase = (): void => {
    if (drawn) stream.write('\r\x1b[K');
    drawn = false;
  };
  return {
    update(done, total, detail) {
      // From the first unit on: what came before it (loading, compiling) is no part of the rate.
      first ??= { done, at: now() };
      const finished = total !== null && done >= total;
      if (!finished && now() - lastShown < (terminal ? REDRAW_MS : PLAIN_MS)) return;
      lastShown = now();
      const rate = (done - first.done) / (lastShown - first.at);
      const eta = total !== null && rate > 0 && !finished ? `, ${formatDuration((total - done) / rate)} left` : '';
      const text = printable(`${label} ${done}${total === null ? '' : `/${total}`}  ${detail}${eta}`);
      if (terminal) {
        erase();
        stream.write(text.slice(0, (stream.columns ?? 80) - 1));
        drawn = true;
      } else {
        stream.write(`${text}\n`);
      }
    },
    line(text) {
      erase();
      stream.write(`${printable(text)}\n`);
    },
    end() {
      if (drawn) stream.write('\n');
      drawn = false;
    },
  };
}

/** 42 s · 3 min 05 s · 2 h 07 min */
export function formatDuration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const two = (n: number): string => String(n).padStart(2, '0');
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${two(Math.floor((seconds % 3600) / 60))} min`;
}
