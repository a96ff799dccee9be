/** Cloudflare's own tool, which knows how to log in and how to upload: it is run as a user would run it. */
import { spawn } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { messageOf, UserError } from '../../io/errors.ts';
import { errorCode, exists } from '../../io/files.ts';
import { type Io, throwIfInterrupted } from '../../io/io.ts';
import { printable } from '../../io/printable.ts';
import { WRANGLER_VERSION } from './project.ts';

/** A program and what comes before its own arguments. */
export type Wrangler = readonly [program: string, ...args: string[]];

const OLDEST_NODE = 22;

/**
 * The wrangler that is installed in this folder or on the path, else npx with the version that slim was tested with.
 * @throws UserError where Node is too old for it
 */
export async function findWrangler(given: string | undefined): Promise<Wrangler> {
  if (given !== undefined) return [given];
  const node = Number(process.versions.node.split('.')[0]);
  if (node < OLDEST_NODE)
    throw new UserError(
      `wrangler needs Node ${OLDEST_NODE} or later, this is ${process.version}`,
      'Run slim with a newer Node, or write the project (--emit DIR) and deploy it from there.',
    );
  const folders = [join('node_modules', '.bin'), ...(process.env.PATH ?? '').split(delimiter)];
  for (const folder of folders) {
    const program = join(folder, 'wrangler');
    if (await exists(program)) return [program];
  }
  return ['npx', '--yes', `wrangler@${WRANGLER_VERSION}`];
}

/** What wrangler tells of a deployment. */
export interface WranglerDeployment {
  readonly versionId: string | null;
  /** Where the worker answers. */
  readonly targets: readonly string[];
}

/** An entry of the file that WRANGLER_OUTPUT_FILE_PATH names. */
interface OutputEntry {
  readonly type: string;
  readonly message?: string;
  readonly version_id?: string | null;
  readonly targets?: readonly string[] | null;
}

/**
 * `wrangler deploy` in the folder of a project. Refuses to overwrite what was changed in the dashboard since
 * (`--strict`). @throws UserError saying what to do
 */
export async function wranglerDeploy(
  wrangler: Wrangler,
  folder: string,
  message: string,
  io: Io,
): Promise<WranglerDeployment> {
  const entries = await run(wrangler, ['deploy', '--strict', '--message', message], folder, io);
  const deployed = entries.find(({ type }) => type === 'deploy');
  return { versionId: deployed?.version_id ?? null, targets: deployed?.targets ?? [] };
}

/** Makes a bucket of R2 where there is none. */
export async function ensureBucket(wrangler: Wrangler, folder: string, bucket: string, io: Io): Promise<void> {
  // Says on the way that it is there already, which is as good.
  await run(wrangler, ['r2', 'bucket', 'create', bucket], folder, io, (message) =>
    /already exists|already own|code: 10004/.test(message),
  );
}

/** Puts a file of the project into a bucket, under its name. */
export async function putObject(
  wrangler: Wrangler,
  folder: string,
  bucket: string,
  file: string,
  io: Io,
): Promise<void> {
  await run(wrangler, ['r2', 'object', 'put', `${bucket}/${file}`, '--file', file, '--remote'], folder, io);
}

/**
 * Runs wrangler, shows what it says on stderr, and returns what it wrote for programs. `mayFail` knows failures that
 * are none.
 */
async function run(
  wrangler: Wrangler,
  args: readonly string[],
  cwd: string,
  io: Io,
  mayFail: (message: string) => boolean = () => false,
): Promise<readonly OutputEntry[]> {
  throwIfInterrupted(io.signal);
  const outputFile = join(tmpdir(), `slim-wrangler-${process.pid}-${Date.now()}.ndjson`);
  try {
    const { code, said } = await spawned(wrangler, args, cwd, outputFile, io);
    throwIfInterrupted(io.signal);
    const entries = await readEntries(outputFile);
    if (code === 0) return entries;
    const message = messageFrom(entries, said);
    if (mayFail(message)) return entries;
    throw wranglerError(`wrangler ${args.slice(0, args[0] === 'r2' ? 3 : 1).join(' ')}`, message, said);
  } finally {
    await rm(outputFile, { force: true });
  }
}

/** Why wrangler failed: what it wrote for programs, and what the API answered, which it writes for people only. */
function messageFrom(entries: readonly OutputEntry[], said: string): string {
  const failure =
    entries.findLast(({ type }) => type === 'command-failed')?.message ??
    /\[ERROR\][^\S\n]*(.+)/.exec(said)?.[1] ??
    said.trim().split('\n').at(-1)!;
  const [answered] = /^.*\[code: \d+\].*$/m.exec(said) ?? [''];
  return [failure, ...(failure.includes(answered.trim()) ? [] : [answered])].map((text) => text.trim()).join(' ');
}

function spawned(
  [program, ...before]: Wrangler,
  args: readonly string[],
  cwd: string,
  outputFile: string,
  { stderr, signal }: Io,
): Promise<{ code: number | null; said: string }> {
  const environment = {
    WRANGLER_SEND_METRICS: 'false',
    NO_COLOR: '1',
    ...process.env,
    WRANGLER_OUTPUT_FILE_PATH: outputFile,
  };
  return new Promise((resolve, reject) => {
    // No terminal to ask on: what wrangler would ask, it refuses or decides itself.
    const child = spawn(program, [...before, ...args], { cwd, env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    const onData = (data: Buffer): void => {
      const text = printable(redacted(data.toString()).replace(ESCAPES, ''));
      said += text;
      stderr.write(text);
    };
    child.stdout.on('data', onData);
    child.stderr.on('data', onData);
    const stop = (): void => void child.kill();
    signal.addEventListener('abort', stop);
    child.on('error', (error) => reject(startError(program, error)));
    child.on('close', (code) => {
      signal.removeEventListener('abort', stop);
      resolve({ code, said });
    });
  });
}

/** Colours. */
const ESCAPES = /\x1b\[[0-9;]*m/g;

function redacted(text: string): string {
  const { CLOUDFLARE_API_TOKEN: token, CLOUDFLARE_API_KEY: key } = process.env;
  return [token, key].reduce<string>((known, secret) => (secret ? known.replaceAll(secret, '***') : known), text);
}

function startError(program: string, error: Error): UserError {
  if (errorCode(error) !== 'ENOENT') return new UserError(`can't run ${program}: ${messageOf(error)}`);
  return new UserError(
    `${program} is not there`,
    'Install wrangler (npm install wrangler), or name it with --wrangler.',
  );
}

async function readEntries(file: string): Promise<readonly OutputEntry[]> {
  if (!(await exists(file))) return [];
  const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as OutputEntry);
}

const TOKEN_HINT =
  'Set CLOUDFLARE_API_TOKEN to a token that may edit Workers scripts (with --artifact-in bucket also R2), ' +
  'or run wrangler login.';
const AGAIN = 'Run the same command again.';

/** What to do about what wrangler says, the first that fits. */
const HINTS: readonly (readonly [RegExp, string])[] = [
  [
    /because of conflicts/,
    'Somebody changed it in the dashboard or through the API: choose another --name, or write the project ' +
      '(--emit DIR) and run npx wrangler deploy there, which overwrites it.',
  ],
  [/CLOUDFLARE_ACCOUNT_ID|more than one account/i, 'Set CLOUDFLARE_ACCOUNT_ID to the account to deploy to.'],
  [
    /CLOUDFLARE_API_TOKEN|not logged in|authenticat|authoriz|invalid access token|code: (10000|9106|9109|10001)\b|\b40[13]\b/i,
    TOKEN_HINT,
  ],
  [/enable R2|code: 10042\b/i, 'R2 has to be switched on in the dashboard first.'],
  [
    /script_too_large|code: 10027\b|size limit|too large/i,
    'Compress the model further, or keep the artifact in R2 (--artifact-in bucket).',
  ],
  [/workers\.dev subdomain|code: 10063\b/i, 'Open Workers in the dashboard once: that makes the subdomain.'],
  [/fetch failed|network|ENOTFOUND|ECONN\w+|ETIMEDOUT|EAI_AGAIN|socket|internet/i, `Check the network. ${AGAIN}`],
  [/\b5\d\d\b|internal|malformed|timed? ?out/i, `Cloudflare's API failed. ${AGAIN}`],
];

function wranglerError(command: string, message: string, said: string): UserError {
  const what = message.replace(/\s+/g, ' ').slice(0, 300);
  const hint = HINTS.find(([pattern]) => pattern.test(message)) ?? HINTS.find(([pattern]) => pattern.test(said));
  return new UserError(
    `${command} failed: ${what || 'it said nothing'}`,
    hint?.[1] ?? 'What wrangler said above tells more.',
  );
}
