/** Who may ask a served model, and how much: the same flags for `slim serve` and `slim deploy`. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { digestOf } from '../../runtime/http/access.ts';
import type { AppOptions } from '../../runtime/http/app.ts';
import { integer } from '../args.ts';
import { usageError } from '../io/errors.ts';

/** What the flags of `addAccessOptions` hold; the token is the secret itself, not its digest. */
export interface AccessFlags {
  readonly token?: string;
  readonly rateLimit?: number;
  readonly corsOrigin?: readonly string[];
  readonly maxBodyBytes: number;
}

/** Guessed in no time below this. */
const SHORTEST_TOKEN = 16;

/** Adds `--token`, `--rate-limit`, `--cors-origin` and `--max-body-bytes`. Returns the command it was given. */
export function addAccessOptions(command: Command): Command {
  return command
    .optionsGroup('Access:')
    .addOption(
      new Option(
        '--token <secret>',
        `what clients have to send as Authorization: Bearer; ${SHORTEST_TOKEN} characters or more, ` +
          'better in SLIM_TOKEN, which no list of processes shows',
      )
        .env('SLIM_TOKEN')
        .default(undefined, 'open to all'),
    )
    .addOption(
      new Option('--rate-limit <n>', 'requests a minute of a client; more get 429')
        .argParser(integer(1, 1_000_000))
        .default(undefined, 'none'),
    )
    .addOption(
      new Option('--cors-origin <origin...>', 'pages that may call from a browser, e.g. https://example.com; * for all')
        .argParser(origin)
        .default(undefined, 'its own page alone'),
    )
    .addOption(
      new Option('--max-body-bytes <n>', 'larger requests get 413')
        .argParser(integer(1024, 1 << 30))
        .default(4 * 1024 ** 2),
    );
}

/** The flags as options of the app, which gets no more than a digest of the token. */
export async function accessFlags({
  token,
  rateLimit,
  corsOrigin,
  maxBodyBytes,
}: AccessFlags): Promise<Pick<AppOptions, 'tokenDigest' | 'ratePerMinute' | 'corsOrigins' | 'maxBodyBytes'>> {
  if (token !== undefined && !/^\S+$/.test(token)) throw usageError('--token: expected one word without spaces');
  if (token !== undefined && token.length < SHORTEST_TOKEN)
    throw usageError(
      `--token: expected ${SHORTEST_TOKEN} characters or more, got ${token.length}`,
      'Make one with: openssl rand -hex 16',
    );
  return {
    tokenDigest: token === undefined ? undefined : await digestOf(token),
    ratePerMinute: rateLimit,
    corsOrigins: corsOrigin,
    maxBodyBytes,
  };
}

/** An origin as browsers send it (RFC 6454): scheme, host and port, and no more. */
function origin(text: string, known: readonly string[] = []): readonly string[] {
  if (text !== '*' && (!URL.canParse(text) || new URL(text).origin !== text)) {
    throw new InvalidArgumentError('Expected an origin such as https://example.com, or *.');
  }
  return [...known, text];
}
