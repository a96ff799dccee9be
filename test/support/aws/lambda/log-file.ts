/**
 * What a function's environment wrote. A file, not a pipe: a process's lines are in it by the time its answer arrives.
 */
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface LogFile {
  /** Open for appending. */
  readonly descriptor: number;
  write(text: string): void;
  /** All of it, after `close` too. */
  text(): string;
  close(): void;
}

export function openLogFile(): LogFile {
  const folder = mkdtempSync(join(tmpdir(), 'slim-lambda-'));
  const path = join(folder, 'log');
  const descriptor = openSync(path, 'a');
  let kept: string | null = null;
  const text = (): string => kept ?? readFileSync(path, 'utf8');
  return {
    descriptor,
    write: (line) => void writeSync(descriptor, line),
    text,
    close() {
      kept = text();
      closeSync(descriptor);
      rmSync(folder, { recursive: true });
    },
  };
}
