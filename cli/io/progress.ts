import { printable } from './printable.ts';

/** Progress on stderr: a few lines that redraw themselves on a terminal, plain lines now and then elsewhere. */
export interface Progress {
  /**
   * `done` of `total` units are finished, null where nobody knows of how many. `detail` is what to say of them: one
   * text on the same line; or several, which a terminal has below a bar, as many on a line as fit. `leftMs` is how much
   * longer it takes, null where that is not known yet: told from the rate so far unless given.
   */
  update(done: number, total: number | null, detail: string | readonly string[], leftMs?: number | null): void;
  /** A line that stays. */
  line(text: string): void;
  /** Ends the redrawn lines: what is written after them leaves them alone. */
  end(): void;
}

/**
 * The part of process.stderr that is used: plain lines unless `isTTY`; redrawn lines are as wide as `columns` at that
 * moment, 80 unless given.
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
  // A dumb terminal, such as an editor's, can't take a line back.
  const terminal = stream.isTTY === true && process.env.TERM !== 'dumb';
  let first: { readonly done: number; readonly at: number } | null = null;
  let lastShown = -Infinity;
  let drawn: readonly string[] = [];
  const columns = (): number => stream.columns || 80;
  const erased = (): string => {
    const text = erasing(drawn, columns());
    drawn = [];
    return text;
  };
  const rateLeft = (done: number, total: number | null): number | null => {
    const rate = first === null ? 0 : (done - first.done) / (lastShown - first.at);
    return total !== null && rate > 0 ? (total - done) / rate : null;
  };
  return {
    update(done, total, detail, leftMs) {
      // From the first unit on: what came before it (loading, compiling) is no part of the rate.
      first ??= { done, at: now() };
      const finished = total !== null && done >= total;
      if (!finished && now() - lastShown < (terminal ? REDRAW_MS : PLAIN_MS)) return;
      lastShown = now();
      const left = finished ? null : leftMs === undefined ? rateLeft(done, total) : leftMs;
      const state = {
        count: `${label} ${done}${total === null ? '' : `/${total}`}`,
        left,
        share: done / (total ?? NaN),
      };
      if (!terminal) {
        stream.write(`${printable(oneLine(state, detail))}\n`);
        return;
      }
      const lines = typeof detail === 'string' ? [oneLine(state, detail)] : block(state, detail, columns() - 1);
      // In one piece, so that it doesn't flicker.
      const before = erased();
      drawn = lines.map((line) => printable(line).slice(0, columns() - 1));
      stream.write(before + drawn.join('\n'));
    },
    line(text) {
      stream.write(`${erased()}${printable(text)}\n`);
    },
    end() {
      if (drawn.length > 0) stream.write('\n');
      drawn = [];
    },
  };
}

interface State {
  /** step 12/100 */
  readonly count: string;
  /** Milliseconds, or null. */
  readonly left: number | null;
  /** 0 to 1; NaN where nobody knows. */
  readonly share: number;
}

function oneLine({ count, left }: State, detail: string | readonly string[]): string {
  return `${count}  ${[detail].flat().join('  ')}${left === null ? '' : `, ${formatDuration(left)} left`}`;
}

const BAR_COLUMNS = 30;
/** A bar that is shorter says nothing. */
const LEAST_BAR_COLUMNS = 8;

/** A line with a bar, and below it the details. */
function block({ count, left, share }: State, details: readonly string[], width: number): readonly string[] {
  const known = Number.isFinite(share) ? [`${Math.floor(100 * share)} %`] : [];
  const after = [...known, ...(left === null ? [] : [`${formatDuration(left)} left`])].join('  ');
  const room = Math.min(BAR_COLUMNS, width - count.length - after.length - 6);
  const bar = known.length === 0 || room < LEAST_BAR_COLUMNS ? [] : [barOf(share, room)];
  return [[count, ...bar, after].join('  ').trimEnd(), ...packed(details, width)];
}

/** [=====>    ] */
function barOf(share: number, columns: number): string {
  const full = Math.min(columns, Math.floor(share * columns));
  return `[${'='.repeat(full)}${full < columns ? '>' : ''}${' '.repeat(Math.max(0, columns - full - 1))}]`;
}

/** Texts in their order, as many on a line as fit. */
function packed(texts: readonly string[], width: number): readonly string[] {
  const lines: string[] = [];
  for (const text of texts) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 2 + text.length <= width) lines[lines.length - 1] = `${last}  ${text}`;
    else lines.push(text);
  }
  return lines;
}

/**
 * What takes lines back that end where the cursor is. In a terminal that has become narrower since, they have been
 * broken.
 */
function erasing(lines: readonly string[], columns: number): string {
  if (lines.length === 0) return '';
  const rows = lines.reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / columns)), 0);
  return rows === 1 ? '\r\x1b[K' : `\r\x1b[${rows - 1}A\x1b[J`;
}

/** 42 s · 3 min 05 s · 2 h 07 min */
export function formatDuration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const two = (n: number): string => String(n).padStart(2, '0');
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${two(Math.floor((seconds % 3600) / 60))} min`;
}
