/**
 * AWS Signature Version 4, verified
 * (docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { Identity } from './identity.ts';
import { AwsError, type AwsRequest } from './message.ts';

/** What a request says of its signature, in the Authorization header or in a presigned URL. */
export interface Signature {
  readonly accessKeyId: string;
  /** `20260131`. */
  readonly day: string;
  readonly region: string;
  readonly service: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  /** `20260131T235959Z`. */
  readonly date: string;
  readonly sessionToken: string | null;
  /** How long a presigned URL holds, in seconds; null for a header. */
  readonly expires: number | null;
}

const CLOCK_SKEW_MS = 15 * 60_000;

/** Null where the request is not signed. */
export function signatureOf({ headers, query }: AwsRequest): Signature | null {
  const header = /^AWS4-HMAC-SHA256 Credential=([^,]+), *SignedHeaders=([^,]+), *Signature=([^,]+)$/.exec(
    headers.authorization ?? '',
  );
  if (header !== null) {
    return {
      ...partsOf(header[1], header[2], header[3]),
      date: headers['x-amz-date'] ?? '',
      sessionToken: headers['x-amz-security-token'] ?? null,
      expires: null,
    };
  }
  const [credential, signedHeaders, signature] = ['Credential', 'SignedHeaders', 'Signature'].map((name) =>
    query.get(`X-Amz-${name}`),
  );
  if (!credential || !signedHeaders || !signature) return null;
  return {
    ...partsOf(credential, signedHeaders, signature),
    date: query.get('X-Amz-Date') ?? '',
    sessionToken: query.get('X-Amz-Security-Token'),
    expires: Number(query.get('X-Amz-Expires')),
  };
}

function partsOf(
  credential: string,
  signedHeaders: string,
  signature: string,
): Pick<Signature, 'accessKeyId' | 'day' | 'region' | 'service' | 'signedHeaders' | 'signature'> {
  const [accessKeyId, day, region, service] = credential.split('/');
  return { accessKeyId, day, region, service, signedHeaders: signedHeaders.split(';'), signature };
}

/** Throws an AwsError where the signature is not the identity's, or no longer or not yet good. */
export function verifySignature(
  request: AwsRequest,
  signature: Signature,
  { secretAccessKey, sessionToken }: Identity,
): void {
  if ((sessionToken ?? null) !== signature.sessionToken)
    throw new AwsError(403, 'InvalidToken', 'The provided token is malformed or otherwise invalid.');
  verifyTime(signature);
  const expected = expectedSignature(request, signature, secretAccessKey);
  const given = Buffer.from(signature.signature);
  if (given.length !== expected.length || !timingSafeEqual(given, Buffer.from(expected))) {
    throw new AwsError(
      403,
      'SignatureDoesNotMatch',
      'The request signature we calculated does not match the signature you provided. ' +
        'Check your key and signing method.',
    );
  }
}

function verifyTime({ date, expires }: Signature): void {
  const age = Date.now() - Date.parse(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
  if (expires !== null && age > expires * 1000) throw new AwsError(403, 'AccessDenied', 'Request has expired');
  if (expires === null && !(Math.abs(age) < CLOCK_SKEW_MS)) {
    throw new AwsError(
      403,
      'RequestTimeTooSkewed',
      'The difference between the request time and the current time is too large.',
    );
  }
}

function expectedSignature(
  request: AwsRequest,
  { day, region, service, date, signedHeaders, expires }: Signature,
  secret: string,
): string {
  const canonical = [
    request.method,
    service === 's3' ? request.path : request.path.split('/').map(encode).join('/'),
    canonicalQuery(request.query),
    ...signedHeaders.map((name) => `${name}:${(request.headers[name] ?? '').trim().replace(/ +/g, ' ')}`),
    '',
    signedHeaders.join(';'),
    payloadHash(request, service, expires !== null),
  ].join('\n');
  const scope = `${day}/${region}/${service}/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', date, scope, sha256(canonical)].join('\n');
  const key = [day, region, service, 'aws4_request'].reduce<string | Buffer>(
    (last, part) => createHmac('sha256', last).update(part).digest(),
    `AWS4${secret}`,
  );
  return createHmac('sha256', key).update(text).digest('hex');
}

function canonicalQuery(query: URLSearchParams): string {
  const pairs = [...query].filter(([name]) => name !== 'X-Amz-Signature').map((pair) => pair.map(encode));
  const order = (a: string, b: string): number => (a < b ? -1 : Number(a > b));
  return pairs
    .sort(([name, value], [otherName, otherValue]) => order(name, otherName) || order(value, otherValue))
    .map((pair) => pair.join('='))
    .join('&');
}

/** S3 lets a client say that it signs no body, or one that comes with a checksum at its end. */
function payloadHash({ headers, body }: AwsRequest, service: string, presigned: boolean): string {
  if (service !== 's3') return sha256(body);
  const said = headers['x-amz-content-sha256'] ?? (presigned ? 'UNSIGNED-PAYLOAD' : '');
  if (/^[\da-f]{64}$/.test(said) && said !== sha256(body)) {
    throw new AwsError(
      400,
      'XAmzContentSHA256Mismatch',
      "The provided 'x-amz-content-sha256' header does not match what was computed.",
    );
  }
  return said;
}

/** Percent-encoding of all but unreserved characters. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function sha256(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}
