/** The list of cases is whole: told from the modules in cli/graph/ops. */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { CASES, HELPERS } from './operations.ts';

it('has a case for every function in cli/graph/ops', async () => {
  const folder = fileURLToPath(new URL('../../cli/graph/ops/', import.meta.url));
  const modules: Record<string, unknown>[] = await Promise.all(
    readdirSync(folder).map((file) => import(`${folder}${file}`)),
  );
  const exported = modules.flatMap((module) =>
    Object.keys(module).filter((name) => typeof module[name] === 'function'),
  );
  const covered = new Set(CASES.map(({ operation }) => operation));
  expect(
    exported.filter((name) => !covered.has(name) && !HELPERS.includes(name)),
    'functions without a case',
  ).toEqual([]);
  expect(
    [...covered, ...HELPERS].filter((name) => !exported.includes(name)),
    'cases without a function',
  ).toEqual([]);
});
