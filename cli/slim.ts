#!/usr/bin/env node
/** The executable: the process's streams, signals and exit code around `main`. */
import { main } from './main.ts';

const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // The first asks the job to save and end; the second does not wait.
    if (interrupt.signal.aborted) process.exit(130);
    process.stderr.write('\nstopping after this step; once more to stop at once\n');
    interrupt.abort();
  });
}
// A reader that goes away (`slim inspect | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

process.exitCode = await main(process.argv.slice(2), { stdout: process.stdout, stderr: process.stderr, signal: interrupt.signal });
