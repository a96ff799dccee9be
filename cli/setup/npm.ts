/** `npm ci` in a folder of Slim's, whatever npm was told of the folder that the user works in. */
import { existsSync } from 'node:fs';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { UserError } from '../io/errors.ts';
import { errorCode } from '../io/files.ts';
import { runProgram } from './program.ts';

/** The files of the lock as they are, here and nowhere else: flags win over what any .npmrc says. */
const ARGUMENTS = [
  'ci',
  ...['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=warn'],
  ...['--no-dry-run', '--no-package-lock-only', '--location=project', '--no-workspaces', '--install-strategy=hoisted'],
];

/** Settings of the user's project, which npm hands on to the programs that it starts, in either case. */
const NOT_OURS = new RegExp(
  `^npm_config_(${[
    ...['global', 'location', 'prefix', 'local_prefix', 'workspaces?', 'include_workspace_root', 'dry_run'],
    ...['package_lock', 'package_lock_only', 'install_strategy', 'omit', 'include', 'production', 'only'],
  ].join('|')})$`,
  'i',
);

/**
 * Installs what the package-lock.json of a folder says, without install scripts. npm may end well and leave files out.
 * @throws Error with what npm complained of, its code ENOSPC or EDQUOT where there was no room; UserError where there is
 * no npm
 */
export async function npmCi(folder: string, signal: AbortSignal): Promise<void> {
  const { file, args } = npmProgram();
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !NOT_OURS.test(name)));
  const call = { file, args: [...args, ...ARGUMENTS], cwd: folder, env };
  const { code, stderr } = await runProgram(call, signal).catch((error: unknown) => {
    throw errorCode(error) === 'ENOENT' ? noNpm() : error;
  });
  const full = /\b(ENOSPC|EDQUOT)\b/.exec(stderr)?.[1];
  if (full !== undefined) throw Object.assign(new Error(`${full}: no room left`), { code: full });
  if (code !== 0) throw new Error(complaintOf(stderr) || `npm ended with ${code}`);
}

/** The first lines of what npm complains of, without its prefix and the way to its log. */
function complaintOf(said: string): string {
  return said
    .split('\n')
    .filter((line) => /^npm (error|ERR!)/.test(line))
    .map((line) => line.replace(/^npm (error|ERR!) ?/, '').trim())
    .filter((line) => line !== '' && !/complete log|_logs/.test(line))
    .slice(0, 4)
    .join('; ');
}

/**
 * npm as a script for this very Node: that which slim was started by, else that beside Node, for on Windows `npm` is no
 * program. Else what is called so on the path.
 */
function npmProgram(): { file: string; args: readonly string[] } {
  const node = dirname(process.execPath);
  const scripts = [
    process.env.npm_execpath ?? '',
    join(node, '../lib/node_modules/npm/bin/npm-cli.js'),
    join(node, 'node_modules/npm/bin/npm-cli.js'),
  ];
  const script = scripts.find((path) => isAbsolute(path) && basename(path) === 'npm-cli.js' && existsSync(path));
  return script === undefined ? { file: 'npm', args: [] } : { file: process.execPath, args: [script] };
}

function noNpm(): UserError {
  return new UserError(
    'npm is not here, neither beside Node nor on the PATH',
    'Install npm, which comes with Node from nodejs.org; or install what is missing beside slim by other means.',
  );
}
