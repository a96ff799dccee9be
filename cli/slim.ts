#!/usr/bin/env node
/** The executable: the process's streams, signals and exit code around `main`. */
import { UserError } from './io/errors.ts';
import { EXIT, main, reportError } from './main.ts';

const interrupt = new AbortController();
const io = { stdout: process.stdout, stderr: process.stderr, signal: interrupt.signal };

function stop(): void {
  // The first asks the job to save and end; the second does not wait.
  if (interrupt.signal.aborted) process.exit(EXIT.interrupted);
  process.stderr.write('\nstopping; once more to stop at once\n');
  interrupt.abort();
}
// A terminal that was closed (SIGHUP) is a user who has gone.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
// So is a sweep that started this process and was killed. Listening alone is no reason to go on.
process.once('disconnect', stop);
process.channel?.unref();
// A reader that goes away (`slim inspect | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(
    error.code === 'EPIPE' ? EXIT.ok : reportError(new UserError(`can't write the result: ${error.message}`), io),
  );
});
// Nobody reads the progress any more: the job goes on without.
process.stderr.on('error', () => undefined);
process.on('uncaughtException', (error) => process.exit(reportError(error, io)));

process.exitCode = await main(process.argv.slice(2), io);
// What was interrupted may still compute on other threads, which nobody waits for.
if (process.exitCode === EXIT.interrupted) process.exit();
