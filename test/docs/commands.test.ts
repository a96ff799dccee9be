/** What checks the documentation's commands finds what is wrong with them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parsed, wrongIn } from './command-line.ts';
import { openWorkplace, type Workplace } from './workplace.ts';

describe('the command line', () => {
  it('parses without running', async () => {
    expect(await parsed(['bench', 'cost', '--model', 'vit-b16', '--rank', '7'])).toMatchObject({
      command: 'bench cost',
      flags: { model: 'vit-b16', rank: 7 },
    });
  });

  it.each([
    ['train --rnak 3', "unknown option '--rnak'"],
    ['train --rank x', 'Expected a whole number'],
    ['train --init none', 'Allowed choices are'],
    ['serve', "missing required argument 'artifact'"],
    ['pack a b', 'too many arguments'],
    ['pakc a', "unknown command 'pakc'"],
  ])('refuses slim %s', async (line, why) => {
    await expect(parsed(line.split(' '))).rejects.toThrow(why);
  });

  it('knows what code in a text is about', () => {
    for (const code of ['slim', 'slim help COMMAND', 'slim bench cost --model ...', '--rank 3', 'npm ci --quick'])
      expect(wrongIn(code), code).toBeNull();
    expect(wrongIn('slim trian')).toBe('slim has no command trian');
    expect(wrongIn('slim pack --rank 3')).toBe('slim pack has no --rank');
    expect(wrongIn('--rank 3 --rnak 3')).toBe('no command has --rnak');
  });
});

describe('a workplace', () => {
  let workplace: Workplace;
  beforeAll(async () => {
    workplace = await openWorkplace('slim serve pets.slim & # and others\nslim pack runs/a --out demo.slim');
  });
  afterAll(() => workplace.close());

  it('has what the commands name and do not make', async () => {
    await workplace.run('[ -f pets.slim ] && [ ! -e demo.slim ] && [ ! -e pets ]');
  });

  it('ends a block with the first command that fails, and tells what that wrote', async () => {
    await expect(workplace.run('slim pack nowhere --out a.slim\ntouch went-on')).rejects.toThrow(/error: .*nowhere/);
    await workplace.run('[ ! -e went-on ]');
  });

  it('waits for a server before it is asked, and ends it with the block', async () => {
    await workplace.run('slim serve pets.slim --port 8080 &\ncurl localhost:8080/v1/model | grep -q labels');
    await expect(workplace.run('slim serve pets.slim &\ncurl localhost:8080/nothing')).rejects.toThrow('exit code 22');
  });

  it('records commands as bash reads them, and runs none', async () => {
    const code = 'A=1 npm run x && slim pack \\\n  "a b" # c\nfor r in 8 16; do slim train --rank $r; done';
    expect(await workplace.record(code)).toEqual([
      ['npm', 'run', 'x'],
      ['slim', 'pack', 'a b'],
      ['slim', 'train', '--rank', '8'],
      ['slim', 'train', '--rank', '16'],
    ]);
    await expect(workplace.record('rm -r runs')).rejects.toThrow('rm: command not found');
  });
});
