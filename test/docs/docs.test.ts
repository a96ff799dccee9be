/**
 * What the documentation shows is true: its commands run, its programs compile, its links lead somewhere. How a block
 * is checked is told by its fence:
 *
 *   sh           run by bash, the blocks of a file in order, in one folder with stand-ins for what is the reader's
 *   sh ci        what CI itself runs, such as npm ci && npm test: each command must be there
 *   sh measure   long runs: parsed by the command line, and benchmarks run shortly on small models
 *   json         parsed
 *   ts, js       type-checked
 *   text         shown; so is a fence without a word
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };
import { projectFolder } from '../support/imports.ts';
import { parsed, wrongIn } from './command-line.ts';
import { type Fence, type Markdown, readMarkdown } from './markdown.ts';
import { mistakesIn } from './typescript.ts';
import { openWorkplace, skippedIn, type Workplace } from './workplace.ts';

const read = (path: string): string => readFileSync(join(projectFolder, path), 'utf8');
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'], {
  cwd: projectFolder,
  encoding: 'utf8',
})
  .split('\n')
  .filter((path) => path !== '' && existsSync(join(projectFolder, path)));
const documents = new Map<string, Markdown>(files.map((path) => [path, readMarkdown(read(path))]));

const KINDS = ['sh', 'sh ci', 'sh measure', 'json', 'ts', 'js', 'text', ''];
const kindOf = ({ language, mark }: Fence): string => `${language} ${mark}`.trim();

/** Benchmarks that run here, too, with what makes them short: of a flag that comes twice, the second counts. */
const SHORT: Readonly<Record<string, readonly string[]>> = {
  'bench cost': [],
  'bench latency': ['--rank', '4', '--calls', '1'],
  'bench load': ['--rank', '4', '--processes', '1'],
  'bench train-step': ['--rank', '4', '--steps', '1', '--batch-size', '2'],
  'bench input': ['--samples', '4', '--workers', '1'],
  'bench serve': ['--duration', '1', '--warm-up', '0', '--connections', '2'],
};

describe.each([...documents])('%s', (path, { fences, spans, links }) => {
  it('marks its blocks as what can be checked', () => {
    expect(fences.filter((fence) => !KINDS.includes(kindOf(fence))).map(({ line }) => `${path}:${line}`)).toEqual([]);
  });

  it('has no marks of a merge', () => {
    expect(read(path).match(/^(<{7}|={7}|>{7})( .*)?$/gm)).toBeNull();
  });

  it('links to what exists', () => {
    expect(links.flatMap(({ text, line }) => (leads(path, text) ? [] : [`${path}:${line}: ${text}`]))).toEqual([]);
  });

  it('names commands and flags that exist', () => {
    const wrong = spans.flatMap(({ text, line }) => {
      const why = wrongIn(text);
      return why === null ? [] : [`${path}:${line}: ${why}`];
    });
    expect(wrong).toEqual([]);
  });

  const json = fences.filter((fence) => kindOf(fence) === 'json');
  for (const { code, line } of json) it(`${path}:${line} is JSON`, () => void JSON.parse(code));

  const programs = fences.filter((fence) => ['ts', 'js'].includes(fence.language));
  if (programs.length > 0)
    it('shows programs that compile', () => {
      expect(mistakesIn(Object.fromEntries(programs.map(({ code, line }) => [`${path} at ${line}`, code])))).toEqual(
        [],
      );
    });

  const shell = fences.filter(({ language }) => language === 'sh');
  if (shell.length > 0) describe('commands', () => checkCommands(path, shell));
});

/** Whether a link's target exists. Other people's pages are theirs. */
function leads(from: string, target: string): boolean {
  if (/^[a-z][a-z+.-]*:/i.test(target)) return true;
  const [file, anchor] = target.split('#');
  const path = file === '' ? from : normalize(join(dirname(from), decodeURIComponent(file)));
  if (!existsSync(join(projectFolder, path))) return false;
  return anchor === undefined || (documents.get(path)?.anchors.has(anchor) ?? false);
}

function checkCommands(path: string, shell: readonly Fence[]): void {
  let workplace: Workplace;
  beforeAll(async () => {
    workplace = await openWorkplace(shell.map(({ code }) => code).join('\n'));
  });
  afterAll(() => workplace?.close());

  for (const fence of shell) {
    const { code, line } = fence;
    const title = `${path}:${line}`;
    switch (kindOf(fence)) {
      case 'sh':
        it(`${title} runs${skippedIn(code)}`, { timeout: 300_000 }, () => workplace.run(code));
        break;
      case 'sh ci':
        it(`${title} is what CI runs`, async () => {
          const commands = await workplace.record(code);
          expect(commands.length).toBeGreaterThan(0);
          for (const command of commands) expect(whyNotInCi(command.join(' ')), command.join(' ')).toBeNull();
        });
        break;
      case 'sh measure':
        it(`${title} is understood`, { timeout: 300_000 }, async () => {
          const commands = await workplace.record(code);
          expect(commands.length).toBeGreaterThan(0);
          for (const [program, ...args] of commands) await checkMeasurement(program, args, workplace);
        });
        break;
      default: // told above
    }
  }
}

const CI = read('.ci/run').split('\n');
const scripts: Readonly<Record<string, string>> = manifest.scripts;

/** The script that a command of npm runs. */
const scriptOf = (command: string): string | undefined => /^npm (?:run )?([\w:-]+)/.exec(command)?.[1];

function whyNotInCi(command: string): string | null {
  const script = /^npm run ([\w:-]+)/.exec(command)?.[1];
  if (script !== undefined && scripts[script] === undefined) return `package.json has no script ${script}`;
  if (CI.some((line) => `${line} `.startsWith(`${command} `))) return null;
  // npm test begins with a build.
  const within = CI.map(scriptOf).flatMap((name) => scripts[name ?? '']?.split(' && ') ?? []);
  if (script !== undefined && scripts[script].split(' && ').every((part) => within.includes(part))) return null;
  return 'it does not stand in .ci/run';
}

/** A line of `sh measure`: understood by the command line; run where it can be made short. */
async function checkMeasurement(program: string, args: readonly string[], workplace: Workplace): Promise<void> {
  if (program === 'npm') {
    if (args[0] === 'install') return expect(args.at(-1)).toBe(`./${manifest.name}-${manifest.version}.tgz`);
    const script = scriptOf(`npm ${args.join(' ')}`);
    expect(Object.keys(scripts), `npm ${args.join(' ')}`).toContain(script);
    return;
  }
  expect(program).toBe('slim');
  const { command, flags } = await parsed(args);
  const short = SHORT[command];
  if (short === undefined || args.some((arg) => arg.startsWith('PATH/'))) return;
  // Counts are exact, and quick, for the very model.
  const model = typeof flags.model === 'string' && command !== 'bench cost' ? ['--model', smallest(flags.model)] : [];
  const line = ['slim', ...args, ...short, ...model].map((arg) => `'${arg}'`).join(' ');
  await workplace.run(line);
}

const smallest = (model: string): string => (model.startsWith('bert') ? 'bert-pico' : 'vit-pico');
