import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/**
 * Benchmarks that the command line knows nothing of: on the hosts of the contract suite (`npm run bench:cold-start`), of
 * what is compiled for a GPU (`npm run bench:traffic`), of many rows (`npm run bench:predict`), and of
 * models for several labels and numbers (`npm run bench:tasks`). They print, and
 * assert no times.
 */
export default defineConfig({
  root: fileURLToPath(new URL('../..', import.meta.url)),
  test: {
    include: ['test/benchmarks/**/*.bench.ts'],
    testTimeout: 600_000,
    hookTimeout: 600_000,
    pool: 'forks',
    maxWorkers: 1,
  },
});
