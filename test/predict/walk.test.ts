/** Files of folders and patterns, beside what bash makes of the same patterns. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { filesBelow, filesMatching, isPattern } from '../../cli/predict/walk.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();
for (const path of [
  'b.jpg',
  'a/2.jpg',
  'a/10.jpg',
  'a/deep/x.png',
  'a/deep/y.jpg',
  'c/.hidden/z.jpg',
  '.DS_Store',
  'C.jpg',
]) {
  mkdirSync(join(folder, dirname(path)), { recursive: true });
  writeFileSync(join(folder, path), path);
}
symlinkSync('..', join(folder, 'a', 'loop'));
symlinkSync('nowhere', join(folder, 'a', 'dangling.jpg'));

async function all(paths: AsyncIterable<string>): Promise<string[]> {
  const found: string[] = [];
  for await (const path of paths) found.push(path);
  return found;
}

describe('filesBelow', () => {
  it('gives files by name, without what is hidden, links that lead back left out', async () => {
    expect(await all(filesBelow(folder))).toEqual([
      'C.jpg',
      'a/10.jpg',
      'a/2.jpg',
      'a/dangling.jpg',
      'a/deep/x.png',
      'a/deep/y.jpg',
      'b.jpg',
    ]);
    expect(await all(filesBelow(folder, 1))).toEqual(['C.jpg', 'b.jpg']);
  });

  it('names a folder that is none', async () => {
    await expect(all(filesBelow(join(folder, 'nope')))).rejects.toThrow(`can't read the folder ${folder}/nope`);
  });
});

describe('filesMatching', () => {
  it.each(['*.jpg', 'a/*.jpg', 'a/*', '**/*.jpg', 'a/**/y.*', '{a,c}/*.jpg', '?.jpg', '[ab].jpg', 'a/[!1]*.jpg'])(
    '%s as bash',
    async (pattern) => {
      const printed = execFileSync(
        'bash',
        ['-O', 'globstar', '-O', 'nullglob', '-c', `for f in ${pattern}; do [ -d "$f" ] || echo "$f"; done`],
        { cwd: folder, encoding: 'utf8' },
      );
      const expected = printed.split('\n').filter((path) => path !== '' && !path.startsWith('a/loop'));
      const found = (await all(filesMatching(join(folder, pattern)))).map((path) => path.slice(folder.length + 1));
      expect(found.sort()).toEqual(expected.sort());
      expect(expected).not.toEqual([]);
    },
  );

  it('finds nothing where there is no folder', async () => {
    expect(await all(filesMatching(join(folder, 'nope/*.jpg')))).toEqual([]);
  });

  it('tells patterns from names', async () => {
    for (const pattern of ['a/*.jpg', '**/x', 'x?.csv', '{a,b}.txt', '[ab].txt'])
      expect(await isPattern(pattern), pattern).toBe(true);
    for (const name of ['a.jpg', 'a b.csv', 'x(1).png', '-', 'C:\\x.jpg', 'größe.txt'])
      expect(await isPattern(name), name).toBe(false);
  });
});
