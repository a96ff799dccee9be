/** Where a command's words go: stdout carries the result, stderr the progress. Tests pass their own. */
import { Interrupted } from './errors.ts';
import type { ProgressStream } from './progress.ts';

/** What a command has of the world around it, files and network aside. */
export interface Io {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: ProgressStream;
  /** Aborted by the first interrupt: jobs save what they have and end. */
  readonly signal: AbortSignal;
}

/** Ends a job that has nothing to save, once the user interrupts it. @throws Interrupted */
export function throwIfInterrupted({ aborted }: AbortSignal): void {
  if (aborted) throw new Interrupted('interrupted');
}
