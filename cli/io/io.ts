/** Where a command's words go: stdout carries the result, stderr the progress. Tests pass their own. */
import type { ProgressStream } from './progress.ts';

export interface Io {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: ProgressStream;
  /** Aborted by the first interrupt: jobs save what they have and end. */
  readonly signal: AbortSignal;
}
