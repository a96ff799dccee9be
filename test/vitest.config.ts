import { fileURLToPath } from 'node:url';
import { configDefaults, defineConfig } from 'vitest/config';

export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  test: {
    include: ['test/**/*.test.ts'],
    // By npm run test:package, with a registry.
    exclude: [...configDefaults.exclude, 'test/package/**'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // onnxruntime and tfjs keep native thread pools: a process a file keeps them apart.
    pool: 'forks',
    maxWorkers: 2,
  },
});
