/** What a bench ran on, and whether anything else ran there. */
import { readFile } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, release } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

/** The machine, and how busy it was before anything was measured. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly node: string;
  readonly system: string;
  /** Of the last minute; zeros where the system has none. */
  readonly loadAverage: number;
  /** Processors that others kept busy while this process waited; null where the system does not tell. */
  readonly busyProcessors: number | null;
}

/** Above this, timings are not worth much: of two runs, one may be half as fast. */
const BUSY_PROCESSORS = 0.25;
const WAIT_MS = 500;

/** Looks for half a second, in which this process does nothing. */
export async function lookAtMachine(): Promise<Machine> {
  const [first, started] = [await busyJiffies(), performance.now()];
  await sleep(WAIT_MS);
  const [second, seconds] = [await busyJiffies(), (performance.now() - started) / 1000];
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    node: process.version,
    system: `${process.platform} ${release()} ${process.arch}`,
    loadAverage: loadavg()[0],
    busyProcessors: first === null || second === null ? null : (second - first) / JIFFIES_PER_SECOND / seconds,
  };
}

/** Why timings of that machine are not to be trusted; null where they are. */
export function busyWarning({ cores, loadAverage, busyProcessors }: Machine): string | null {
  if (busyProcessors !== null)
    return busyProcessors > BUSY_PROCESSORS
      ? `other processes keep ${busyProcessors.toFixed(1)} of ${cores} processors busy: times are not to be trusted`
      : null;
  return loadAverage > cores / 2
    ? `the load average is ${loadAverage.toFixed(1)} on ${cores} processors: times are not to be trusted`
    : null;
}

/** As Linux counts for programs. */
const JIFFIES_PER_SECOND = 100;

/** All processors' time but idle and waiting for disks, since the system started; null where it does not tell. */
async function busyJiffies(): Promise<number | null> {
  const [line] = (await readFile('/proc/stat', 'utf8').catch(() => '')).split('\n');
  return busyOf(line);
}

/** Of the first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal; null where it is another. */
export function busyOf(line: string): number | null {
  if (!/^cpu( +\d+){8}/.test(line)) return null;
  const [user, nice, system, , , irq, softirq, steal] = line.trim().split(/ +/).slice(1).map(Number);
  return user + nice + system + irq + softirq + steal;
}
