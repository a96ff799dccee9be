/** The README's plots show the results that are kept beside them, which are those that the documentation tells. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { projectFolder } from '../../support/imports.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import results from './results.json' with { type: 'json' };

const HERE = join(projectFolder, 'test/benchmarks/readme');
const folder = temporaryFolder();
const read = (path: string): string => readFileSync(join(projectFolder, path), 'utf8');

it('plots.mjs makes the same plots again (npm run plots writes them)', () => {
  execFileSync(process.execPath, [join(HERE, 'plots.mjs'), folder]);
  for (const name of ['accuracy-light', 'accuracy-dark', 'latency-light', 'latency-dark']) {
    const [made, kept] = [folder, HERE].map((place) => readFileSync(join(place, `${name}.svg`), 'utf8'));
    expect(made === kept, name).toBe(true);
  }
});

it('the documentation has the same figures', () => {
  const [cli, runtime] = [read('cli/README.md'), read('runtime/README.md')];
  const accuracies = results.accuracy.map(({ accuracyPercent }) => accuracyPercent.toFixed(2));
  expect(accuracies.filter((text) => !cli.includes(text) && !runtime.includes(text))).toEqual([]);
  expect(results.latency.map(({ medianMs }) => String(medianMs)).filter((text) => !runtime.includes(text))).toEqual([]);
});
