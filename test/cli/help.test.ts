import { describe, expect, it } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };
import { slim } from '../support/cli.ts';

const COMMANDS = [
  'finetune',
  'train',
  'sweep',
  'evaluate',
  'quantize',
  'pack',
  'export',
  'inspect',
  'report',
  'predict',
  'serve',
  'deploy',
  'bench',
  'bench cost',
  'bench latency',
  'bench load',
  'bench serve',
  'bench agreement',
  'bench train-step',
  'bench input',
  'demo',
  'setup',
  'devices',
];

describe('help', () => {
  it('lists every command, how to go on and the exit codes', async () => {
    const { code, stdout, stderr } = await slim(['--help']);
    expect([code, stderr]).toEqual([0, '']);
    for (const command of COMMANDS.filter((name) => !name.includes(' ')))
      expect(stdout).toMatch(new RegExp(`^  ${command} `, 'm'));
    expect(stdout).toContain('Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.');
    expect((await slim([])).stdout).toBe(stdout);
  });

  it.each(COMMANDS)('slim %s --help fits into 80 columns and shows examples', async (command) => {
    const { code, stdout } = await slim([...command.split(' '), '--help']);
    expect(code).toBe(0);
    const [help, examples] = stdout.split('\nExamples:\n');
    expect(help.split('\n').filter((line) => line.length > 80)).toEqual([]);
    expect(
      examples
        .trimEnd()
        .split('\n')
        .every((line) => line.startsWith('  $ ')),
    ).toBe(true);
  });

  it.each(COMMANDS.filter((name) => name !== 'bench'))('slim %s has --json, --seed and --config', async (command) => {
    const { stdout } = await slim([...command.split(' '), '--help']);
    for (const flag of ['--json ', '--seed <n> ', '--config <file> ']) expect(stdout).toContain(flag);
  });

  it('tells defaults and choices', async () => {
    const help = (await slim(['train', '--help'])).stdout.replace(/\s+/g, ' ');
    expect(help).toContain('--rank <r> rank of the adapters (default: 32)');
    expect(help).toContain('(linear, sine, one-minus-cosine, cubic; default: linear)');
    expect(help).toContain('0: from the start (default: 0.3 of pictures, 0.6 of texts)');
    expect(help).toContain('steps of linear warm-up (default: a tenth, at most 100)');
    expect(help).toContain('--overwrite replace the run that is there Engine:');
  });

  it('prints the version', async () => {
    expect(await slim(['--version'])).toEqual({ code: 0, stdout: `${manifest.version}\n`, stderr: '' });
  });
});

describe('wrong words', () => {
  it.each([
    [['trian'], "unknown command 'trian'", 'Did you mean train?'],
    [['train', '--rnak', '4'], "unknown option '--rnak'", 'Did you mean --rank?'],
    [
      ['train', 'pictures'],
      "too many arguments for 'train'. Expected 0 arguments but got 1.",
      'See slim train --help.',
    ],
    [['evaluate'], "missing required argument 'model'", 'See slim evaluate --help.'],
    [['train', '--rank'], "option '--rank <r>' argument missing", 'See slim train --help.'],
    [
      ['train', '--rank', '0'],
      "option '--rank <r>' argument '0' is invalid. Expected a whole number of at least 1.",
      'See slim train --help.',
    ],
    [
      ['train', '--rank', 'many'],
      "option '--rank <r>' argument 'many' is invalid. Expected a whole number of at least 1.",
      'See slim train --help.',
    ],
    [
      ['train', '--schedule', 'cosine'],
      "option '--schedule <name>' argument 'cosine' is invalid. Allowed choices are linear, sine, one-minus-cosine, cubic.",
      'See slim train --help.',
    ],
    [
      ['train', '--learning-rate', '-1'],
      "option '--learning-rate <x>' argument '-1' is invalid. Expected a number above 0 and at most 10.",
      'See slim train --help.',
    ],
    [['bench', 'cots'], "unknown command 'cots'", 'Did you mean cost?'],
    [
      ['bench', 'cost', '--classes', '1e99'],
      "option '--classes <n>' argument '1e99' is invalid. Expected a whole number from 1 to 100000.",
      'See slim bench cost --help.',
    ],
  ])('slim %j', async (args, message, hint) => {
    expect(await slim(args)).toEqual({ code: 2, stdout: '', stderr: `error: ${message}\nhint: ${hint}\n` });
  });
});
