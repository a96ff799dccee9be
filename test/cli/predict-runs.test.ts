/** `slim predict --output`: what a run may not lose, write over, or take for what it was. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { beforeAll, describe, expect, it } from 'vitest';
import { openArtifact } from '../../cli/io/artifact.ts';
import { random } from '../../runtime/random.ts';
import { writePictureArtifact, writeTextArtifact } from '../deploy/artifacts.ts';
import { smallTextArtifact } from '../runtime/text/small-tokenizer.ts';
import { grey, slim } from '../support/cli.ts';
import { SLIM, start, startShell } from '../support/process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const work = temporaryFolder();
let [texts, pictures] = ['', ''];
beforeAll(async () => {
  [texts, pictures] = await Promise.all([writeTextArtifact(work), writePictureArtifact(work)]);
});

let folders = 0;
/** The path of a file in a folder of each test's own. */
function place(): (name: string, content?: string | Uint8Array) => string {
  const folder = join(work, `t${folders++}`);
  mkdirSync(folder);
  return (name, content) => {
    const path = join(folder, name);
    if (content !== undefined) writeFileSync(path, content);
    return path;
  };
}

async function ok(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await slim(['predict', ...args]);
  expect(code, stderr).toBe(0);
  return stdout + stderr;
}

async function fails(args: readonly string[], ...words: readonly string[]): Promise<void> {
  const { code, stderr } = await slim(['predict', ...args]);
  expect(code, stderr).not.toBe(0);
  for (const word of words) expect(stderr).toContain(word);
}

const read = (path: string): string => readFileSync(path, 'utf8');
const recordOf = (output: string): { asked: Record<string, unknown>; state: { rows: number; bytes: number } } =>
  JSON.parse(read(`${output}.run.json`));
const longRows = (count: number): string =>
  `id,text\n${Array.from({ length: count }, (_, i) => `${i},good film ${'x'.repeat(300)} ${i % 7}\n`).join('')}`;
const picture = (mean: number): Promise<Buffer> => grey(mean, random(mean));
const DONE = 'all of them were there already';

describe('a write that fails', () => {
  it.each(['csv', 'jsonl', 'parquet'])(
    'loses no row that is counted: %s',
    async (format) => {
      const at = place();
      const input = at('in.csv', longRows(6000));
      const [output, whole] = [at(`out.${format}`), at(`whole.${format}`)];
      const lines = format === 'parquet' ? `${output}.rows.jsonl` : output;
      // In units of 1024 bytes: less than all rows, and no whole number of what is written at a time.
      const limited = await startShell('ulimit -f 1500; $SLIM predict "$@"', [texts, input, '--output', output]).exit;
      expect(limited.code).toBe(1);
      expect(limited.stderr).toContain(`can't write ${lines}`);
      const { rows, bytes } = recordOf(output).state;
      expect(rows).toBeGreaterThan(0);
      expect(readFileSync(lines).length).toBe(bytes);
      expect(read(lines).split('\n').length - 1 - (format === 'csv' ? 1 : 0)).toBe(rows);
      await ok(texts, input, '--output', output, '--resume');
      await ok(texts, input, '--output', whole);
      expect(readFileSync(output).equals(readFileSync(whole))).toBe(true);
    },
    60_000,
  );

  it('nor does a row that has no line', async () => {
    const at = place();
    const rows = Array.from({ length: 150 }, (_, i) => `{"text":"good ${i}"}\n`).join('');
    const input = at('in.jsonl', `${rows}{"text":"bad","label":1}\n`);
    const output = at('out.jsonl');
    await fails([texts, input, '--output', output], 'has a column label in later rows');
    expect(recordOf(output).state.rows).toBe(150);
    expect(read(output).split('\n').length - 1).toBe(150);
  });
});

describe('two runs on one output', () => {
  it('are one: the other is told who writes, and the file is whole', async () => {
    const at = place();
    const input = at('in.csv', 'text\nevil\n');
    const output = at('out.csv');
    const link = at('link.csv');
    symlinkSync(output, link);
    const first = spawn(process.execPath, [SLIM, 'predict', texts, '-', '--output', output], {
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    const exit = once(first, 'exit');
    first.stdin.write('good\n');
    await expect.poll(() => existsSync(output), { timeout: 20_000 }).toBe(true);
    expect(read(`${output}.lock`)).toBe(`${first.pid} ${hostname()}\n`);
    for (const [name, flag] of [
      [output, '--overwrite'],
      [link, '--resume'],
    ])
      await fails(
        [texts, input, '--output', name, flag],
        `${name} is being written by process ${first.pid}`,
        `Wait until it has ended, or name another --output. Where that is no slim, remove ${output}.lock.`,
      );
    first.stdin.end('bad\n');
    expect(await exit).toEqual([0, null]);
    expect(existsSync(`${output}.lock`)).toBe(false);
    expect(read(output).replace(/,.*/g, '')).toBe('text\ngood\nbad\n');
  }, 60_000);

  it('end, where the file is another’s at the end', async () => {
    const at = place();
    const input = at('in.csv', longRows(6000));
    const output = at('out.csv');
    const run = start(['predict', texts, input, '--output', output, '--workers', '1']);
    while (!existsSync(output)) await new Promise((resolve) => setTimeout(resolve, 5));
    renameSync(output, at('moved.csv'));
    const { code, stderr } = await run.exit;
    expect(code).toBe(1);
    expect(stderr).toContain(`${output} is not what was written: it is gone`);
  }, 60_000);
});

describe('--resume of a run that is done', () => {
  it('refuses an output that is gone, or has another length', async () => {
    for (const format of ['csv', 'parquet']) {
      const at = place();
      const args = [texts, at('in.csv', 'text\ngood\nbad\n'), '--output', at(`out.${format}`), '--resume'];
      await ok(...args);
      expect(await ok(...args)).toContain(DONE);
      truncateSync(args[3], 5);
      await fails(args, `${args[3]} has 5 bytes, and its record counts`, '--overwrite');
      truncateSync(args[3], 0);
      await fails(args, 'has 0 bytes');
      rmSync(args[3]);
      await fails(args, `${args[3]} is gone, and its record counts`, '--overwrite');
      await ok(...args.slice(0, 4), '--overwrite');
      expect(await ok(...args)).toContain(DONE);
    }
  });

  it('refuses another table of the same size', async () => {
    const at = place();
    const output = at('out.csv');
    await ok(texts, at('a.csv', 'text\ngood\n'), '--output', output);
    await fails(
      [texts, at('b.csv', 'text\nevil\n'), '--output', output, '--resume'],
      'the input has changed: its first 1 rows are not those that were answered',
      '--overwrite',
    );
    // One that only lies elsewhere is the same.
    expect(await ok(texts, at('c.csv', 'text\ngood\n'), '--output', output, '--resume')).toContain(DONE);
  });

  it('refuses another folder, and one with more, fewer or other pictures', async () => {
    const at = place();
    const [folder, other, output] = [at('a'), at('b'), at('out.csv')];
    for (const name of [folder, other]) mkdirSync(name);
    const bytes = await picture(90);
    const red = at('a/1.png', bytes);
    at('b/1.png', bytes);
    await ok(pictures, folder, '--output', output);
    const resumed = [pictures, folder, '--output', output, '--resume'];
    expect(await ok(...resumed)).toContain(DONE);
    await fails([pictures, other, '--output', output, '--resume'], `the input ${folder}, and now it is ${other}`);
    const more = at('a/2.png', bytes);
    await fails(resumed, `${folder}, in files: 1, and now it is 2`, '--overwrite');
    rmSync(red);
    await fails(resumed, 'the input has changed: its first 1 rows');
    renameSync(more, red);
    utimesSync(red, 1, 1);
    await fails(resumed, 'the input has changed');
    rmSync(red);
    await fails(resumed, `no pictures are found in ${folder}`);
  });

  it('refuses other lines on stdin, also more and fewer', async () => {
    const at = place();
    const output = at('out.csv');
    const run = async (lines: string): Promise<string> => {
      const line = `printf "${lines}" | $SLIM predict "$1" - --output "$2" --resume`;
      const { stdout, stderr } = await startShell(line, [texts, output]).exit;
      return stdout + stderr;
    };
    expect(await run('good\\nbad\\n')).toContain('rows a second');
    expect(await run('good\\nbad\\n')).toContain(DONE);
    expect(await run('good\\nevil\\n')).toContain('its first 2 rows are not those that were answered');
    expect(await run('good\\nbad\\nbad\\n')).toContain('after the 2 rows that were answered comes line 3');
    expect(await run('good\\n')).toContain('it has 1 rows, and 2 were answered');
    await fails([texts, at('in.txt', 'good'), '--output', output, '--resume'], 'begun with the input -');
  });

  it('refuses a picture that a table names and that is another', async () => {
    const at = place();
    const image = at('1.png', await picture(90));
    const args = [pictures, at('in.csv', 'file\n1.png\n'), '--output', at('out.csv'), '--resume'];
    await ok(...args);
    expect(await ok(...args)).toContain(DONE);
    writeFileSync(image, await picture(200));
    await fails(args, 'the input has changed');
  });

  it('refuses a model of the same weights with other labels', async () => {
    const at = place();
    const other = at(
      'other.slim',
      await smallTextArtifact({
        change: (manifest) => void Object.assign(manifest, { labels: manifest.labels.toReversed() }),
      }),
    );
    const [was, is] = await Promise.all([texts, other].map(async (path) => (await openArtifact(path)).manifest));
    expect([is.digest, is.labels]).toEqual([was.digest, was.labels.toReversed()]);
    const args = [at('in.csv', 'text\ngood\n'), '--output', at('out.csv')];
    await ok(texts, ...args);
    await fails([other, ...args, '--resume'], 'was begun with the artifact');
    await ok(other, ...args, '--overwrite');
  });
});

describe('an output that is an input', () => {
  it('is refused before anything is written, also by a link', async () => {
    const at = place();
    const mine = at('mine.csv', 'text\nmy only copy\n');
    symlinkSync(mine, at('link.csv'));
    linkSync(mine, at('hard.csv'));
    for (const output of [mine, at('link.csv'), at('hard.csv')])
      for (const flag of ['--overwrite', '--resume'])
        await fails([texts, mine, '--output', output, flag], `${mine} is read, and as ${output} it would be written`);
    await fails([texts, at('link.csv'), '--output', mine, '--overwrite'], 'is read');
    // Its record, what Parquet is made of, and the artifact.
    symlinkSync(mine, at('out.csv.run.json'));
    await fails([texts, mine, '--output', at('out.csv'), '--overwrite'], `as ${at('out.csv.run.json')} it would`);
    linkSync(mine, at('out.parquet.rows.jsonl'));
    await fails([texts, mine, '--output', at('out.parquet'), '--overwrite'], 'it would be written over');
    const model = at('model.slim', readFileSync(texts));
    await fails([model, mine, '--output', model, '--format', 'csv', '--overwrite'], `${model} is read`);
    // Whoever opened them.
    const refusals = await Promise.all(
      [
        '$SLIM predict "$1" - --output "$2" --overwrite < "$2"',
        '$SLIM predict "$1" - < "$2" >> "$2"',
        '$SLIM predict "$1" "$2" >> "$2"',
      ].map(async (line) => (await startShell(line, [texts, mine]).exit).stderr),
    );
    for (const stderr of refusals) expect(stderr).toContain('is read, and as ');
    expect(read(mine)).toBe('text\nmy only copy\n');
    expect(readFileSync(model).equals(readFileSync(texts))).toBe(true);
  });

  it('in a folder is left out where a run wrote it, and refused where none did', async () => {
    const at = place();
    const folder = at('tables');
    mkdirSync(folder);
    at('tables/a.csv', 'text\ngood\n');
    at('tables/b.csv', 'text\nbad\n');
    const output = at('tables/out.csv');
    const textsIn = (path: string): string[] =>
      (parse(read(path), { columns: true }) as { text: string }[]).map(({ text }) => text);
    await ok(texts, folder, '--output', output);
    const second = at('tables/second.jsonl');
    const told = await ok(texts, folder, '--output', output, '--overwrite');
    expect(told).toContain('left out, as runs of slim predict have written them:');
    expect(await ok(texts, folder, '--output', output, '--resume')).toContain(DONE);
    expect(textsIn(output)).toEqual(['good', 'bad']);
    await ok(texts, folder, '--output', second);
    expect(read(second).split('\n').length - 1).toBe(2);
    // By a pattern, too, and not where it is named.
    const { stdout } = await slim(['predict', texts, at('tables/*.{csv,json}')]);
    expect((parse(stdout, { columns: true }) as object[]).length).toBe(2);
    expect((await slim(['predict', texts, output, '--columns', 'text'])).stdout.split('\n').length - 2).toBe(2);
    await fails([texts, folder, '--output', at('tables/a.csv'), '--overwrite'], `${at('tables/a.csv')} is read`);
    expect(textsIn(at('tables/a.csv'))).toEqual(['good']);
    expect(readdirSync(folder).filter((name) => name.endsWith('.lock'))).toEqual([]);
  });

  it('is none of the texts that a pattern finds while it is written', async () => {
    const at = place();
    const folder = at('notes');
    mkdirSync(folder);
    at('notes/a.txt', 'good');
    at('notes/z.txt', 'bad');
    const args = [texts, at('notes/*'), '--output', at('notes/out.txt'), '--format', 'csv'];
    await ok(...args);
    await ok(...args, '--overwrite');
    expect(read(args[3]).split('\n').length - 1).toBe(3);
    expect(await ok(...args, '--resume')).toContain(DONE);
  });

  it('is no pipe, device or folder', async () => {
    const at = place();
    const input = at('in.csv', 'text\ngood\n');
    await fails([texts, input, '--output', '/dev/null', '--format', 'csv', '--overwrite'], '/dev/null is a device');
    expect(existsSync('/dev/null.run.json')).toBe(false);
    mkdirSync(at('folder.csv'));
    await fails([texts, input, '--output', at('folder.csv')], 'is a folder', 'Name a file in it');
  });
});

describe('columns that are guessed', () => {
  it('are told and recorded', async () => {
    const at = place();
    const output = at('out.csv');
    const pairs = at('pairs.csv', 'title,premise,hypothesis\na b,bad,fair\n');
    expect(await ok(texts, pairs, '--output', output)).toContain('The text is in premise and hypothesis.\n');
    const { textColumn, textPairColumn, imageColumn } = recordOf(output).asked;
    expect([textColumn, textPairColumn, imageColumn]).toEqual(['premise', 'hypothesis', null]);
    const named = [texts, pairs, '--output', output, '--resume', '--text-column', 'premise'];
    const told = await ok(...named, '--text-pair-column', 'hypothesis');
    expect(told).toContain(DONE);
    expect(told).not.toContain('The text is in');
    await fails(named, 'begun with --text-pair-column hypothesis, and now it is none');
    at('1.png', await picture(90));
    const listed = at('list.csv', 'id;image\n1;1.png\n');
    const shown = await ok(pictures, listed, '--output', at('pictures.csv'));
    expect(shown).toContain('The fields of list.csv are separated by semicolons.\nThe pictures are in image.\n');
    expect(recordOf(at('pictures.csv')).asked.imageColumn).toBe('image');
  });
});
