/** What to do where a device has no room. */
import { type Engine, OutOfMemoryError } from '../engines/engine.ts';
import { UserError } from '../io/errors.ts';

/**
 * Runs a job of the device's.
 * @param doing what it was, for people: `training with --batch-size 64`
 * @throws UserError where memory ran out: what was done, on what, what it would have taken, and what to lower
 */
export async function withinMemory<T>(
  engine: Pick<Engine, 'description'>,
  doing: string,
  remedy: string,
  job: () => Promise<T>,
): Promise<T> {
  try {
    return await job();
  } catch (error) {
    if (!(error instanceof OutOfMemoryError)) throw error;
    const needed = error.neededBytes === null ? '' : `, which takes ${(error.neededBytes / 1e9).toFixed(1)} GB at once`;
    throw new UserError(`out of memory while ${doing}${needed}, on ${engine.description}`, remedy);
  }
}
