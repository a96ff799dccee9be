/**
 * `slim predict` of many rows: rows a second beside the engine's own rate and beside a command a row, and memory. Of
 * SLIM_BENCH_ROWS rows (100,000 unless told), the sentences of SST-2 again and again, with MiniLM-L6 in int8.
 */
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, vi } from 'vitest';
import { projectFolder } from '../support/imports.ts';
import { SLIM, startCommand } from '../support/process.ts';
import { itWith, shared } from '../support/shared.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

vi.setConfig({ testTimeout: 3_600_000 });

const ROWS = Number(process.env.SLIM_BENCH_ROWS ?? 100_000);
/** For rates that are compared: so many rows, in turn, so often. */
const [COMPARED, TURNS] = [Math.min(ROWS, 2000), 3];
const folder = temporaryFolder();
const [model, data] = [shared('models/minilm-l6-sst2'), shared('data/sst2')];
const artifact = join(folder, 'minilm.slim');

const run = (...args: readonly string[]): string =>
  execFileSync(process.execPath, [SLIM, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

function sentences(count: number): string[] {
  const known = ['train', 'test'].flatMap((part) =>
    readFileSync(join(data.path(), `${part}.tsv`), 'utf8')
      .trimEnd()
      .split('\n')
      .slice(1)
      .map((line) => line.split('\t')[0]),
  );
  return Array.from({ length: count }, (_, i) => known[i % known.length]);
}

function table(count: number): string {
  const path = join(folder, `${count}.csv`);
  const rows = sentences(count).map((text, i) => `${i},"${text.replaceAll('"', '""')}"`);
  writeFileSync(path, `id,sentence\n${rows.join('\n')}\n`);
  return path;
}

/** Rows a second of one process a processor that does nothing but classify its share. */
async function engineRate(texts: readonly string[]): Promise<number> {
  const program = `
    import { loadClassifier } from ${JSON.stringify(`${projectFolder}dist/lib/node.mjs`)};
    import { once } from 'node:events';
    const classifier = await loadClassifier(${JSON.stringify(artifact)}, { workers: 0 });
    await classifier.classify({ text: 'warm', pair: null }, 1);
    process.send('ready');
    const [texts] = await once(process, 'message');
    for (const text of texts) await classifier.classify({ text, pair: null }, 1);
    process.send('done');
    process.disconnect();`;
  const count = availableParallelism();
  const children = Array.from({ length: count }, () =>
    spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }),
  );
  const all = (): Promise<unknown> =>
    Promise.all(children.map((child) => new Promise((resolve) => child.once('message', resolve))));
  await all();
  const began = performance.now();
  const done = all();
  for (const [i, child] of children.entries()) child.send(texts.filter((_, row) => row % count === i));
  await done;
  return texts.length / ((performance.now() - began) / 1000);
}

/** Rows a second of one command, all of it, and the most memory that it held. */
async function batch(count: number): Promise<{ readonly rate: number; readonly peakBytes: number | null }> {
  const began = performance.now();
  const { child, exit } = startCommand(process.execPath, [
    SLIM,
    'predict',
    artifact,
    table(count),
    '--output',
    join(folder, 'out.csv'),
    '--overwrite',
    '--json',
  ]);
  let peakBytes: number | null = null;
  const watch = setInterval(() => {
    try {
      const [, kibibytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8')) ?? [];
      peakBytes = kibibytes === undefined ? peakBytes : 1024 * Number(kibibytes);
    } catch {
      // It has ended, or the system tells nothing of it.
    }
  }, 100);
  const { code, stdout, stderr } = await exit;
  clearInterval(watch);
  expect(code, stderr).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ rows: count, errors: 0 });
  return { rate: count / ((performance.now() - began) / 1000), peakBytes };
}

const told = (rates: readonly number[]): string =>
  `${[...rates].sort((a, b) => a - b)[rates.length >> 1].toFixed(1)} (${rates.map((rate) => rate.toFixed(1)).join(', ')})`;
const megabytes = (bytes: number | null): string => (bytes === null ? 'unknown' : `${(bytes / 1e6).toFixed(0)} MB`);

beforeAll(() => {
  run('quantize', model.path(), '--out', join(folder, 'int8'));
  run('pack', join(folder, 'int8'), '--out', artifact);
});

itWith([model, data], `slim predict of ${ROWS} rows`, async () => {
  const [engine, rows]: number[][] = [[], []];
  const texts = sentences(COMPARED);
  for (let turn = 0; turn < TURNS; turn++) {
    engine.push(await engineRate(texts));
    rows.push((await batch(COMPARED)).rate);
  }
  const began = performance.now();
  for (const text of texts.slice(0, 10)) run('predict', artifact, '--text', text);
  const loop = 10 / ((performance.now() - began) / 1000);
  const [few, many] = [await batch(1000), await batch(ROWS)];
  console.log(
    [
      `rows a second, ${COMPARED} rows: the engine alone ${told(engine)}, slim predict with its start ${told(rows)}, ` +
        `a command a row ${loop.toFixed(1)}`,
      `${ROWS} rows: ${many.rate.toFixed(1)} rows a second`,
      `peak memory: ${megabytes(few.peakBytes)} of 1000 rows, ${megabytes(many.peakBytes)} of ${ROWS}`,
    ].join('\n'),
  );
});
