/** What a server that is a process of its own takes on, and tells of itself. */
import { availableParallelism } from 'node:os';
import type { Gauge } from '../http/metrics.ts';

/** More threads than this rarely help one machine's clients, and each has the weights. */
export const MOST_DEFAULT_WORKERS = 4;

/** Threads that classify, unless somebody chooses. */
export const defaultWorkers = (): number => Math.min(availableParallelism(), MOST_DEFAULT_WORKERS);

/** Predictions that may wait for each thread. */
export const QUEUE_PER_WORKER = 16;

/** Measured when it is called, under the names that Prometheus's clients use. */
export function processGauges(): Gauge[] {
  return [
    {
      name: 'process_resident_memory_bytes',
      help: 'Memory of the process, all threads.',
      value: process.memoryUsage.rss(),
    },
    {
      name: 'process_start_time_seconds',
      help: 'When it began, in seconds since 1970.',
      value: Math.round(Date.now() / 1000 - process.uptime()),
    },
  ];
}
