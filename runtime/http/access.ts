import { Problem } from './problem.ts';

/** The SHA-256 of a token, in hexadecimal: what a server keeps of it, so that its configuration gives nobody access. */
export async function digestOf(token: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(token));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * Checks an Authorization header (RFC 6750) against the digest of the token. Digests are compared, so how long that
 * takes tells nothing of the token. Throws Problem 401 where there is none, 403 where it is another.
 */
export async function checkAccess(authorization: string | undefined, tokenDigest: string): Promise<void> {
  const [, token] = /^Bearer +(\S+)$/i.exec(authorization ?? '') ?? [];
  if (token === undefined)
    throw new Problem(401, 'expected Authorization: Bearer TOKEN', 'unauthorized', { 'www-authenticate': 'Bearer' });
  if ((await digestOf(token)) !== tokenDigest)
    throw new Problem(403, 'the token is not the one that gives access', 'forbidden');
}
