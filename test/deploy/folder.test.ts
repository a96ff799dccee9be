import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { writeDeployFolder } from '../../cli/deploy/folder.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const root = temporaryFolder();
const textOf = (...names: string[]): string => readFileSync(join(root, ...names), 'utf8');
/** Nothing half-written lies beside it. */
const leftovers = (): string[] => readdirSync(root).filter((name) => name.includes('.tmp'));

it('writes a folder whole, readable by all, with a record of what is its own', async () => {
  await writeDeployFolder(join(root, 'new', 'site'), 'node', { 'b.txt': 'b', 'a.bin': Uint8Array.of(1, 2) }, false);
  expect(readdirSync(join(root, 'new', 'site')).sort()).toEqual(['a.bin', 'b.txt', 'slim-deploy.json']);
  expect(JSON.parse(textOf('new', 'site', 'slim-deploy.json'))).toEqual({
    version: 1,
    target: 'node',
    files: ['a.bin', 'b.txt'],
  });
  expect(statSync(join(root, 'new', 'site', 'a.bin')).mode & 0o777).toBe(0o644);
  expect(readdirSync(join(root, 'new'))).toEqual(['site']);
});

it('takes an empty folder', async () => {
  mkdirSync(join(root, 'empty'));
  await writeDeployFolder(join(root, 'empty'), 'node', { a: '1' }, false);
  expect(textOf('empty', 'a')).toBe('1');
});

it('replaces what slim wrote where it is told to, and leaves what others put there', async () => {
  const folder = join(root, 'again');
  await writeDeployFolder(folder, 'node', { a: '1', gone: '1' }, false);
  mkdirSync(join(folder, 'node_modules', 'x'), { recursive: true });
  writeFileSync(join(folder, 'notes.txt'), 'mine');
  await expect(writeDeployFolder(folder, 'node', { a: '2' }, false)).rejects.toMatchObject({
    exitCode: 2,
    message: expect.stringContaining('already exists'),
  });
  expect(textOf('again', 'a')).toBe('1');
  await writeDeployFolder(folder, 'bun', { a: '2' }, true);
  expect(readdirSync(folder).sort()).toEqual(['a', 'node_modules', 'notes.txt', 'slim-deploy.json']);
  expect([textOf('again', 'a'), textOf('again', 'notes.txt')]).toEqual(['2', 'mine']);
  expect(leftovers()).toEqual([]);
});

it("refuses what is somebody else's, whatever it is told, and changes nothing", async () => {
  mkdirSync(join(root, 'theirs'));
  writeFileSync(join(root, 'theirs', 'a'), 'theirs');
  writeFileSync(join(root, 'file'), '');
  await expect(writeDeployFolder(join(root, 'theirs'), 'node', { a: '2' }, true)).rejects.toMatchObject({
    exitCode: 2,
    message: expect.stringContaining('did not write'),
  });
  await expect(writeDeployFolder(join(root, 'file'), 'node', { a: '2' }, true)).rejects.toMatchObject({
    exitCode: 2,
    message: expect.stringContaining('is a file'),
  });
  await writeDeployFolder(join(root, 'mixed'), 'node', { a: '1' }, false);
  writeFileSync(join(root, 'mixed', 'b'), 'mine');
  await expect(writeDeployFolder(join(root, 'mixed'), 'node', { b: '2' }, true)).rejects.toMatchObject({
    exitCode: 2,
    message: expect.stringContaining('has a b that slim deploy did not write'),
  });
  expect([textOf('theirs', 'a'), textOf('mixed', 'a'), textOf('mixed', 'b')]).toEqual(['theirs', '1', 'mine']);
});

it('where it fails, what was there is there', async () => {
  const folder = join(root, 'failing');
  await writeDeployFolder(folder, 'node', { a: '1' }, false);
  await expect(
    writeDeployFolder(folder, 'node', { a: '2', ['a name that is too long'.repeat(20)]: '' }, true),
  ).rejects.toThrow("can't write");
  expect(textOf('failing', 'a')).toBe('1');
  expect(leftovers()).toEqual([]);
});
