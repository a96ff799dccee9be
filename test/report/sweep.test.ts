/** A sweep's page: rows as they were written, and which of them no other beats. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { frontOf, type ReportedRow, readSweep } from '../../cli/report/sweep.ts';
import { slim, slimJson } from '../support/cli.ts';
import { tableIn, textOf } from '../support/html-tables.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const root = temporaryFolder();

const row = (name: string, accuracy: number, bytes: number | null, more: Partial<ReportedRow> = {}): ReportedRow => ({
  ...{ name, accuracy, bytes, method: 'pclora', rank: 4, seed: 0, parameters: 1000, macs: 2_000_000, latencyMs: 1.5 },
  ...more,
});
const ROWS = [
  row('a', 0.8, 100),
  row('b', 0.7, 100), // as dear as a, and worse
  row('c', 0.75, 200), // dearer than a, and worse
  row('d', 0.9, 300),
  row('e', 0.9, 400), // dearer than d in bytes, and no better; as good at the same MACs
  row('<b>f</b>', 0.95, null, { method: 'dense', rank: null, seed: null, macs: null, latencyMs: null }),
];

function sweepOf(name: string, lines: readonly string[]): string {
  const folder = join(root, name);
  mkdirSync(folder);
  writeFileSync(join(folder, 'rows.jsonl'), lines.map((line) => `${line}\n`).join(''));
  return folder;
}
const lines = ROWS.map((one) => JSON.stringify(one));

describe('frontOf', () => {
  it('is what no other beats, cheapest first; what has no such cost is left out', () => {
    expect(frontOf(ROWS, 'bytes').map(({ name }) => name)).toEqual(['a', 'd']);
    expect(frontOf(ROWS, 'parameters').map(({ name }) => name)).toEqual(['<b>f</b>']);
    expect(frontOf(ROWS, 'macs').map(({ name }) => name)).toEqual(['d', 'e']);
  });
});

describe('slim report of a sweep', () => {
  it('draws accuracy against each cost, and lists all models', async () => {
    const out = join(root, 'sweep.html');
    await slimJson(['report', sweepOf('sweep', lines), '--out', out]);
    const page = readFileSync(out, 'utf8');
    const charts = [...page.matchAll(/<svg [^>]*aria-label="(Accuracy by [^:]*):/g)].map(([, title]) => title);
    expect(charts).toEqual(['parameters', 'bytes', 'MACs', 'latency'].map((cost) => `Accuracy by ${cost}`));
    const bytes = /aria-label="Accuracy by bytes[\s\S]*?<\/svg>/.exec(page)![0];
    expect(bytes.match(/<circle /g)).toHaveLength(5);
    // Two are on the front: one stretch from a to d, of a logarithmic axis from 100/1.3 to 400·1.3.
    const x = (value: number): number => 46 + (294 * Math.log(value / (100 / 1.3))) / Math.log(4 * 1.3 ** 2);
    const [, from, to] = /class="line c7" d="M([\d.]+),[\d.]+L([\d.]+),[\d.]+"/.exec(bytes)!;
    expect([Number(from), Number(to)]).toEqual([x(100), x(300)].map((at) => Math.round(10 * at) / 10));
    expect(tableIn(page, 'Table of all models').slice(1)).toEqual([
      ['a', 'pclora', '4', '0', '80.00 %', '1,000', '2.00 M', '100 B', '1.5 ms', '●'],
      ['b', 'pclora', '4', '0', '70.00 %', '1,000', '2.00 M', '100 B', '1.5 ms', ''],
      ['c', 'pclora', '4', '0', '75.00 %', '1,000', '2.00 M', '200 B', '1.5 ms', ''],
      ['d', 'pclora', '4', '0', '90.00 %', '1,000', '2.00 M', '300 B', '1.5 ms', '●'],
      ['e', 'pclora', '4', '0', '90.00 %', '1,000', '2.00 M', '400 B', '1.5 ms', '●'],
      ['<b>f</b>', 'dense', '–', '–', '95.00 %', '1,000', '–', '–', '–', '●'],
    ]);
    expect(page).not.toMatch(/<b>f|<script|https?:/);
  });

  it('tells of models of numbers by their correlation, which may be below 0', async () => {
    const numbers = [
      { name: 'up', pearson: 0.87312, bytes: 200 },
      { name: 'down', pearson: -0.25, bytes: 100 },
    ].map((one) => JSON.stringify(one));
    const out = join(root, 'numbers.html');
    await slimJson(['report', sweepOf('numbers', numbers), '--out', out]);
    const page = readFileSync(out, 'utf8');
    expect(page).toContain('aria-label="Pearson by bytes:');
    expect(tableIn(page, 'Table of all models').map((cells) => [cells[0], cells[4], cells.at(-1)])).toEqual([
      ['Model', 'Pearson', 'Best'],
      ['up', '0.8731', '●'],
      ['down', '-0.2500', '●'],
    ]);
  });

  it('counts lines that are none, and refuses a sweep without rows, or beside others', async () => {
    const folder = sweepOf('damaged', [...lines, '{"name":"g"}', '{"accuracy":1}', 'no JSON', '{"name":"h","acc']);
    expect(await readSweep(folder)).toMatchObject({ name: 'damaged', rows: ROWS, unreadable: 4 });
    const out = join(root, 'damaged.html');
    await slimJson(['report', folder, '--out', out]);
    expect(textOf(readFileSync(out, 'utf8'))).toContain('4 lines of rows.jsonl could not be read.');
    await expect(readSweep(sweepOf('empty', ['{}']))).rejects.toThrow(/has no row with a name and a score/);
    const { code, stderr } = await slim(['report', folder, `${folder}-other`, '--out', join(root, 'two.html')]);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/a sweep, which has a page of its own/)]);
  });
});
