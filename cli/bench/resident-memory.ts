/** How much memory a process holds while it works. */
import { readFile } from 'node:fs/promises';

/** What a process held at one moment. */
export interface MemorySample {
  /** Since the measurement began. */
  readonly seconds: number;
  readonly bytes: number;
}

/**
 * What of a process lies in memory (VmRSS), all its threads together; null where the system does not tell (only Linux
 * does), or the process is gone.
 */
export async function residentBytes(pid: number): Promise<number | null> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  return kibibytes === undefined ? null : 1024 * Number(kibibytes);
}

/** The slope of the straight line with the least squared distance to the samples; null for fewer than two moments. */
export function bytesPerMinute(samples: readonly MemorySample[]): number | null {
  const mean = (of: keyof MemorySample): number =>
    samples.reduce((sum, sample) => sum + sample[of], 0) / samples.length;
  const [seconds, bytes] = [mean('seconds'), mean('bytes')];
  const spread = samples.reduce((sum, sample) => sum + (sample.seconds - seconds) ** 2, 0);
  if (!(spread > 0)) return null;
  return (60 * samples.reduce((sum, sample) => sum + (sample.seconds - seconds) * (sample.bytes - bytes), 0)) / spread;
}
