/** What AWS refuses, as words for the user. */
import { Interrupted, messageOf, UserError } from '../../io/errors.ts';

/** What the SDK's errors have, whichever service they come from. */
interface AwsFailure extends Error {
  readonly code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

const WRONG_CREDENTIALS = new Set([
  'ExpiredToken',
  'ExpiredTokenException',
  'InvalidClientTokenId',
  'UnrecognizedClientException',
  'SignatureDoesNotMatch',
  'InvalidSignatureException',
  'InvalidAccessKeyId',
  'RequestTimeTooSkewed',
]);
const UNREACHABLE = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'ETIMEDOUT',
  'EAI_AGAIN',
  'EPIPE',
  'EHOSTUNREACH',
]);
const AGAIN = 'Run the same command again: it goes on where this one stopped.';

/** The HTTP status of a refusal by AWS; undefined where no answer came, or it is another error. */
export function statusOf(error: unknown): number | undefined {
  return (error as Partial<AwsFailure>).$metadata?.httpStatusCode;
}

/** The error's code, as AWS documents it, such as `ResourceNotFoundException`; '' where it is no error. */
export function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : '';
}

/** Makes an error of AWS one that the user understands. `doing` goes on from "can't". Others stay what they are. */
export function awsError(doing: string, error: unknown): Error {
  if (!(error instanceof Error)) return new Error(messageOf(error));
  if (error instanceof UserError || error instanceof Interrupted) return error;
  const status = statusOf(error);
  const { name, code = '', message } = error as AwsFailure;
  const says = (what: string, hint: string): UserError => new UserError(`can't ${doing}: ${what}`, hint);
  if (name === 'CredentialsProviderError')
    return says(
      'no AWS credentials were found',
      'Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run aws configure.',
    );
  if (WRONG_CREDENTIALS.has(name))
    return says(
      `AWS does not accept the credentials (${name})`,
      'Check AWS_PROFILE or renew them (aws sso login), and the clock of this machine.',
    );
  if (status === 403 || /AccessDenied|Unauthorized/.test(name))
    return says(
      `AWS refuses (${message})`,
      'The credentials lack a permission; the README lists those that slim deploy needs.',
    );
  if (/Throttl|TooManyRequests|SlowDown|LimitExceeded/.test(name))
    return says(`AWS asks to slow down (${message})`, AGAIN);
  if (name === 'TimeoutError' || UNREACHABLE.has(code))
    return says(`AWS did not answer (${code || message})`, `Check the network and AWS_ENDPOINT_URL. ${AGAIN}`);
  if (status !== undefined && status >= 500) return says(`AWS failed with ${status} (${name})`, AGAIN);
  return says(message || name, '');
}

/** Does what may fail at AWS. @throws UserError */
export async function atAws<T>(doing: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    throw awsError(doing, error);
  }
}

/** The answer, or null where what was asked for does not exist. */
export async function orNull<T>(
  asked: Promise<T>,
  doesNotExist: (error: unknown) => boolean = (error) => statusOf(error) === 404,
): Promise<T | null> {
  try {
    return await asked;
  } catch (error) {
    if (doesNotExist(error)) return null;
    throw error;
  }
}
