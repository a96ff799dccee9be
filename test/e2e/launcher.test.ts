/** cli/bin.cjs: what keeps slim from starting is said in a sentence, with what to do. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };
import { projectFolder } from '../support/imports.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();
for (const file of ['package.json', 'cli/bin.cjs']) cpSync(join(projectFolder, file), join(folder, file));

/** Runs a copy of the launcher under a Node that says it is of this version. */
function launch(place: string, version: string) {
  const preload = join(folder, 'version.mjs');
  writeFileSync(preload, `Object.defineProperty(process.versions, 'node', { value: '${version}' });`);
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', preload, join(place, 'cli/bin.cjs'), '--version'],
    { encoding: 'utf8' },
  );
  return [status, stdout, stderr];
}

it.each(['14.21.3', '18.20.8', '20.18.3'])('Node %s is too old', (version) => {
  expect(launch(projectFolder, version)).toEqual([
    1,
    '',
    `error: Node ${version} is too old: slim needs 20.19 or later\n` +
      'hint: Install a current one from https://nodejs.org, or with nvm, fnm or volta.\n',
  ]);
});

it.each(['20.19.0', '21.0.0', '22.3.1', '100.0.0'])('Node %s is not', (version) => {
  expect(launch(projectFolder, version)).toEqual([0, `${manifest.version}\n`, '']);
});

it('a copy without dist/ says how to build it', () => {
  expect(launch(folder, '22.0.0')).toEqual([
    1,
    '',
    `error: ${join(folder, 'dist/slim.mjs')} is missing: this copy of slim was never built\n` +
      'hint: Run npm ci && npm run build in its folder.\n',
  ]);
});

it.each([
  [undefined, String(Math.max(4, availableParallelism()))],
  ['', String(Math.max(4, availableParallelism()))],
  ['many', String(Math.max(4, availableParallelism()))],
  ['7', '7'],
])('with UV_THREADPOOL_SIZE %s, Node has a pool of %s threads, one a core unless told', (given, expected) => {
  const place = join(folder, 'pool');
  for (const file of ['package.json', 'cli/bin.cjs']) cpSync(join(projectFolder, file), join(place, file));
  mkdirSync(join(place, 'dist'), { recursive: true });
  writeFileSync(join(place, 'dist/slim.mjs'), 'console.log(process.env.UV_THREADPOOL_SIZE);');
  const { UV_THREADPOOL_SIZE: _, ...others } = process.env;
  const env = given === undefined ? others : { ...others, UV_THREADPOOL_SIZE: given };
  const { stdout } = spawnSync(process.execPath, [join(place, 'cli/bin.cjs')], { encoding: 'utf8', env });
  expect(stdout.trim()).toBe(expected);
});

it('is JavaScript that a Node of 2020 parses: no await at the top', () => {
  expect(readFileSync(join(projectFolder, 'cli/bin.cjs'), 'utf8')).not.toMatch(/^await|^ {2}await/m);
});
