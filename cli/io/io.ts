/** Where a command's words go: stdout carries the result, stderr the progress. Tests pass their own. */
import { Interrupted } from './errors.ts';
import type { ProgressStream } from './progress.ts';

/** What a command has of the world around it, files and network aside. */
export interface Io {
  readonly stdout: {
    /** False where what reads is slow: what is more is kept in memory until `drain`. */
    write(text: string): unknown;
    once?(event: 'drain', listener: () => void): unknown;
  };
  readonly stderr: ProgressStream;
  /** Aborted by the first interrupt: jobs save what they have and end. */
  readonly signal: AbortSignal;
}

/** What a promise gives, unless the user interrupts: whatever it waits for then goes on unheard. @throws Interrupted */
export async function untilInterrupted<T>(signal: AbortSignal, working: Promise<T>): Promise<T> {
  working.catch(() => undefined); // Heard below, or by nobody.
  throwIfInterrupted(signal);
  let stop = (): void => undefined;
  const interrupted = new Promise<never>((_, reject) => {
    stop = () => reject(new Interrupted('interrupted'));
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([working, interrupted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** Ends a job that has nothing to save, once the user interrupts it. @throws Interrupted */
export function throwIfInterrupted({ aborted }: AbortSignal): void {
  if (aborted) throw new Interrupted('interrupted');
}
