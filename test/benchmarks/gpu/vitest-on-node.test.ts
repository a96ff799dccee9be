/** The runner of the bundle's suites tells what vitest tells: what passes, what fails and why, what is skipped. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const folder = temporaryFolder();

const SUITE = `
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
let ready = false;
describe('a suite', () => {
  beforeAll(async () => { ready = true; });
  afterAll(() => process.stdout.write('after\\n'));
  it('passes', () => expect(ready, 'what was prepared').toBe(true));
  it('fails', () => expect({ a: [1] }, 'the message').toEqual({ a: [2] }));
  it('waits', async () => expect(Promise.reject(new Error('no'))).resolves.toBe(1));
  it.each([[1, 'x'], [2, 'y']])('takes %i and %s', (n, s) => expect(n + s).toMatch(/^[12][xy]$/));
  it.each([{ name: 'b' }])('has $name', ({ name }) => expect({ name, c: 1 }).toMatchObject({ name: expect.stringContaining('b') }));
  it('takes too long', () => new Promise((done) => setTimeout(done, 5_000)), 20);
  it.skipIf(true)('is skipped', () => expect(1).toBe(2));
  describe('within', () => it('passes', () => expect(3).toBe(3)));
});
describe.skipIf(true)('a skipped suite', () => {
  beforeAll(() => { throw new Error('never'); });
  it('is not run', () => expect(1).toBe(2));
});
describe('a broken suite', () => {
  beforeAll(() => { throw new Error('nothing to test on'); });
  it('fails too', () => expect(1).toBe(1));
});
`;

async function run(
  suite: string,
): Promise<{ status: number | null; outcomes: Record<string, string>; stdout: string }> {
  const [source, outfile] = [join(folder, 'suite.mjs'), join(folder, 'bundled.mjs')];
  writeFileSync(source, suite);
  await build({
    entryPoints: [source],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    alias: { vitest: fileURLToPath(new URL('./vitest-on-node.ts', import.meta.url)) },
    nodePaths: [fileURLToPath(new URL('../../../node_modules', import.meta.url))],
  });
  const { status, stdout } = spawnSync(process.execPath, [outfile], { encoding: 'utf8' });
  const lines = stdout.split('\n').filter((line) => line.startsWith('{'));
  const outcomes = lines.map((line) => {
    const { title, outcome, error } = JSON.parse(line) as { title: string; outcome: string; error?: string };
    return [title, error === undefined ? outcome : `${outcome}: ${error.split('\n')[0]}`] as const;
  });
  return { status, outcomes: Object.fromEntries(outcomes), stdout };
}

describe("the runner of the bundle's suites", () => {
  it('tells each outcome, and fails where a test did', async () => {
    const { status, outcomes, stdout } = await run(SUITE);
    expect(outcomes).toEqual({
      'a suite > passes': 'passed',
      'a suite > fails': expect.stringMatching(/^failed: AssertionError: the message: expected .* to deeply equal/),
      'a suite > waits': 'failed: Error: promise rejected "Error: no" instead of resolving',
      'a suite > takes 1 and x': 'passed',
      'a suite > takes 2 and y': 'passed',
      'a suite > has b': 'passed',
      'a suite > takes too long': 'failed: Error: took longer than 20 ms',
      'a suite > is skipped': 'skipped',
      'a suite > within > passes': 'passed',
      'a skipped suite > is not run': 'skipped',
      'a broken suite > fails too': 'failed: Error: nothing to test on',
    });
    expect(stdout.match(/after/g)).toHaveLength(1);
    expect(status).toBe(1);
  });

  it('ends well where all pass', async () => {
    expect(await run("import { expect, it } from 'vitest'; it('adds', () => expect(1 + 1).toBe(2));")).toMatchObject({
      status: 0,
      outcomes: { adds: 'passed' },
    });
  });
});
