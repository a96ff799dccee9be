import { stat } from 'node:fs/promises';
import { throwIfInterrupted } from '../../io/io.ts';
import { mapAtOnce } from '../at-once.ts';
import { unreadablePicture } from '../picture-source.ts';

/** What tells whether a file is still the one that was read. */
export interface SourceFacts {
  readonly bytes: number;
  /** Of its last change, in milliseconds. */
  readonly time: number;
}

/** Of each file. UserError that names one that can't be asked. @throws Interrupted */
export function sourceFacts(paths: readonly string[], signal: AbortSignal): Promise<SourceFacts[]> {
  return mapAtOnce(paths, async (path) => {
    throwIfInterrupted(signal);
    try {
      const { size, mtimeMs } = await stat(path);
      return { bytes: size, time: mtimeMs };
    } catch (error) {
      throw unreadablePicture(path, error);
    }
  });
}
