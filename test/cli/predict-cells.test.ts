/** `slim predict`: what is read is a text or a file, and what is kept is what was written. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { parquetMetadata, parquetReadObjects } from 'hyparquet';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { beforeAll, describe, expect, it } from 'vitest';
import { random } from '../../runtime/random.ts';
import { writePictureArtifact, writeTextArtifact } from '../deploy/artifacts.ts';
import { grey, slim } from '../support/cli.ts';
import { startShell } from '../support/process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const work = temporaryFolder();
let [texts, pictures] = ['', ''];
beforeAll(async () => {
  [texts, pictures] = await Promise.all([writeTextArtifact(work), writePictureArtifact(work)]);
});
const at = (name: string): string => join(work, name);
const write = (name: string, content: string | Uint8Array): string => {
  writeFileSync(at(name), content);
  return at(name);
};

async function ok(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await slim(['predict', ...args]);
  expect(code, stderr).toBe(0);
  return stdout;
}

async function fails(args: readonly string[], ...words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await slim(['predict', ...args]);
  expect(code, stderr).toBe(1);
  for (const word of words) expect(stderr).toContain(word);
  return stdout;
}

const readCsv = (text: string): Record<string, string>[] => parse(text, { columns: true });
const bufferOf = (path: string): ArrayBuffer => Uint8Array.from(readFileSync(path)).buffer;
const readParquet = (path: string): Promise<Record<string, unknown>[]> => parquetReadObjects({ file: bufferOf(path) });
const typesOf = (path: string): Record<string, string | undefined> =>
  Object.fromEntries(parquetMetadata(bufferOf(path)).schema.map(({ name, type }) => [name, type]));

describe('numbers of JSON', () => {
  const KEPT = [
    '"id":1234567890123456789,"x":1e400,"y":-0.0,"z":0.1234567890123456789,"u":12345678901234567890,"n":1',
    '"id":9007199254740994,"x":1.50,"y":2,"z":1E-7,"u":3,"n":[1.0,{"a":98765432109876543210,"b":"1.0 \\" 2.0"}]',
  ];
  const rows = KEPT.map((kept) => `{"text":"good",${kept}}`);

  it.each([
    ['rows.jsonl', rows.join('\n')],
    ['rows.json', `[${rows.join(',\n')}]`],
  ])('stay as they were written: %s', async (name, content) => {
    const input = write(name, content);
    const lines = (await ok(texts, input, '--format', 'jsonl')).trimEnd().split('\n');
    expect(lines.map((line) => line.slice('{"text":"good",'.length, line.indexOf(',"label"')))).toEqual(KEPT);
    const cells = readCsv(await ok(texts, input, '--format', 'csv'));
    expect(cells.map(({ id, x, y, z, u }) => [id, x, y, z, u])).toEqual([
      ['1234567890123456789', '1e400', '-0.0', '0.1234567890123456789', '12345678901234567890'],
      ['9007199254740994', '1.50', '2', '1E-7', '3'],
    ]);
    const output = at(`${name}.parquet`);
    await ok(texts, input, '--output', output);
    // Of a type that holds all of the column's, or as they were written.
    expect(typesOf(output)).toMatchObject({ id: 'INT64', x: 'BYTE_ARRAY', y: 'DOUBLE', z: 'DOUBLE', u: 'BYTE_ARRAY' });
    expect(await readParquet(output)).toMatchObject([
      { id: 1234567890123456789n, x: '1e400', y: -0, z: 0.12345678901234568, u: '12345678901234567890', n: '1' },
      { id: 9007199254740994n, x: '1.50', y: 2, z: 1e-7, u: '3' },
    ]);
  });

  it('are no texts, and no rows', async () => {
    const input = write('none.jsonl', '{"text":"good"}\n{"text":1.0}\n1.0\n');
    const stdout = await fails([texts, input], '2 of 3 rows');
    expect(readCsv(stdout).map(({ error }) => error)).toEqual([
      '',
      `${input}, line 2: expected a text in text, got 1.0`,
      `${input}, line 3: expected a JSON object`,
    ]);
  });

  it('and lists, nested beyond measure, are an error of their row', async () => {
    const deep = (core: string): string => `${'['.repeat(50_000)}${core}${']'.repeat(50_000)}`;
    const input = write(
      'deep.jsonl',
      `{"text":"good","x":${deep('1')}}\n{"text":"good","x":${deep('1.0')}}\n{"text":"bad"}\n`,
    );
    const rows = readCsv(await fails([texts, input], '2 of 3 rows'));
    expect(rows.map(({ text, error }) => [text, error === ''])).toEqual([
      ['', false],
      ['', false],
      ['bad', true],
    ]);
  });

  it('of Parquet keep their type and digits; what is not finite is so in every format', async () => {
    const ids = [2n ** 60n, -(2n ** 63n), 1n, 0n];
    const doubles = [NaN, Infinity, -Infinity, 0.5];
    const table = parquetWriteBuffer({
      columnData: [
        { name: 'text', data: ids.map(() => 'good'), type: 'STRING' },
        { name: 'id', data: ids, type: 'INT64' },
        { name: 'x', data: doubles, type: 'DOUBLE' },
      ],
    });
    const input = write('numbers.parquet', new Uint8Array(table));
    const words = ['NaN', 'Infinity', '-Infinity'];
    const cells = readCsv(await ok(texts, input));
    expect(cells.map(({ id }) => id)).toEqual(ids.map(String));
    expect(cells.map(({ x }) => x)).toEqual([...words, '0.5']);
    const lines = (await ok(texts, input, '--format', 'jsonl')).trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line).x)).toEqual([...words, 0.5]);
    expect(lines.map((line) => /"id":(-?\d+),/.exec(line)?.[1])).toEqual(ids.map(String));
    const output = at('numbers-out.parquet');
    await ok(texts, input, '--output', output);
    expect((await readParquet(output)).map(({ id, x }) => [id, x])).toEqual(ids.map((id, i) => [id, doubles[i]]));
  });
});

describe('columns without a name', () => {
  it('get one, and are kept', async () => {
    const input = write('unnamed.csv', ',text,,v\n1,good,2,3\n4,bad,5,6\n');
    const stdout = await ok(texts, input);
    expect(stdout.split('\n')[0]).toBe('column_1,text,column_3,v,label,score,error');
    expect(readCsv(stdout).map(({ column_1, column_3, v }) => [column_1, column_3, v])).toEqual([
      ['1', '2', '3'],
      ['4', '5', '6'],
    ]);
    expect(await ok(texts, input, '--columns', 'column_3')).toMatch(/^column_3,label/);
    await fails([texts, write('taken.csv', ',text,column_1\n1,good,2\n')], 'two columns are named "column_1"');
  });
});

describe('texts that are no UTF-8', () => {
  const utf16 = (text: string, swap = false): Buffer => {
    const bytes = Buffer.from(text, 'utf16le');
    return swap ? bytes.swap16() : bytes;
  };

  it.each([
    ['UTF-16LE', utf16('good\nbad\n')],
    ['UTF-16BE', utf16('good\nbad\n', true)],
    ['UTF-16LE', utf16('\ufeffgood\n')],
    ['UTF-16LE', utf16('a\nb')],
  ])('are refused on stdin, and named: %s', async (encoding, bytes) => {
    const input = write('wide', bytes);
    const { code, stdout, stderr } = await startShell('$SLIM predict "$1" - < "$2"', [texts, input]).exit;
    expect([code, stdout]).toEqual([1, 'text,label,score,error\n']);
    expect(stderr).toContain(`stdin is in ${encoding}, expected UTF-8`);
    expect(stderr).toContain(`iconv -f ${encoding} -t UTF-8`);
  });

  it('are rows with an error where files hold them, and zero bytes anywhere', async () => {
    const files = [
      write('a.txt', utf16('good film')),
      write('b.txt', utf16('good', true)),
      write('c.txt', 'good\0 film, a long one'),
    ];
    const rows = readCsv(await fails([texts, ...files, write('d.txt', 'good')], '3 of 4 rows'));
    expect(rows.map(({ error }) => error)).toEqual([
      `${files[0]}: no text in UTF-8, but in UTF-16LE`,
      `${files[1]}: no text in UTF-8, but in UTF-16BE`,
      `${files[2]}: no text in UTF-8: it holds zero bytes`,
      '',
    ]);
    await fails([texts, files[0]], 'a.txt is no text in UTF-8, but in UTF-16LE', 'Convert the file');
    await fails([texts, files[2]], 'c.txt is no text in UTF-8: it holds zero bytes');
    const { stdout } = await startShell('printf "good\\nb\\0d\\n" | $SLIM predict "$1" -', [texts]).exit;
    expect(readCsv(stdout)[1]).toMatchObject({ text: '', error: 'line 2: no text in UTF-8: it holds zero bytes' });
  });
});

const noPipes = process.platform === 'win32';
describe.skipIf(noPipes)(`pipes and devices${noPipes ? ': this system has none in folders' : ''}`, () => {
  it('are rows with an error, in folders and where tables name them', async () => {
    mkdirSync(at('odd'));
    writeFileSync(at('odd/a.png'), await grey(90, random(1)));
    execFileSync('mkfifo', [at('odd/pipe.png'), at('odd/pipe.txt'), at('odd/pipe.csv')]);
    symlinkSync('/dev/zero', at('odd/zero.png'));
    const found = readCsv(await fails([pictures, at('odd')], '2 of 3 rows'));
    expect(found.map(({ file, error }) => [file, error])).toEqual([
      [at('odd/a.png'), ''],
      [at('odd/pipe.png'), `${at('odd/pipe.png')}: can't be read: it is a pipe, expected a file`],
      [at('odd/zero.png'), `${at('odd/zero.png')}: can't be read: it is a device, expected a file`],
    ]);
    const list = write('list.csv', 'file\nodd/a.png\n/dev/zero\nodd/pipe.png\nodd\n');
    expect(readCsv(await fails([pictures, list], '3 of 4 rows')).map(({ error }) => error)).toEqual([
      '',
      `${list}, line 3: can't be read: it is a device, expected a file`,
      `${list}, line 4: can't be read: it is a pipe, expected a file`,
      `${list}, line 5: can't be read: it is a folder, expected a file`,
    ]);
    await fails([texts, at('odd/pipe.txt'), at('odd/pipe.txt')], '2 of 2 rows');
    await fails([texts, at('odd/pipe.csv')], `${at('odd/pipe.csv')} is a pipe, expected a file`);
  });
});
