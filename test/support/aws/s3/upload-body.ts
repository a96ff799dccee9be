/** The bytes of an upload: unwrapped from aws-chunked and held against every checksum that came with them. */
import { createHash } from 'node:crypto';
import { AwsError, type AwsRequest } from '../message.ts';
import { CHECKSUM_ALGORITHMS, type ChecksumAlgorithm, checksumOf } from './checksums.ts';

export interface UploadBody {
  readonly data: Buffer;
  /** What the client gave, which is right. */
  readonly checksums: Readonly<Partial<Record<ChecksumAlgorithm, string>>>;
}

/** Throws an AwsError where a checksum or a length is wrong. */
export function uploadBody({ headers, body }: AwsRequest): UploadBody {
  const { data, trailer } =
    headers['x-amz-content-sha256'] === 'STREAMING-UNSIGNED-PAYLOAD-TRAILER'
      ? unwrap(body)
      : { data: body, trailer: {} };
  const decodedLength = headers['x-amz-decoded-content-length'];
  if (decodedLength !== undefined && Number(decodedLength) !== data.length) throw incomplete();
  verifyMd5(data, headers['content-md5']);
  return { data, checksums: verifiedChecksums(data, { ...headers, ...trailer }) };
}

/** The checksums in these headers. Throws where they are not the data's. */
export function verifiedChecksums(data: Buffer, headers: AwsRequest['headers']): UploadBody['checksums'] {
  const given = CHECKSUM_ALGORITHMS.flatMap((algorithm) => {
    const value = headers[`x-amz-checksum-${algorithm}`];
    return value === undefined ? [] : [[algorithm, value] as const];
  });
  for (const [algorithm, value] of given) {
    if (checksumOf(algorithm, data) !== value)
      throw new AwsError(
        400,
        'BadDigest',
        `The ${algorithm.toUpperCase()} you specified did not match the calculated checksum.`,
      );
  }
  return Object.fromEntries(given);
}

function verifyMd5(data: Buffer, given: string | undefined): void {
  if (given === undefined || createHash('md5').update(data).digest('base64') === given) return;
  throw new AwsError(400, 'BadDigest', 'The Content-MD5 you specified did not match what we received.');
}

/** Chunks of `LENGTH\r\nDATA\r\n`, the last one empty and followed by header lines. */
function unwrap(body: Buffer): { readonly data: Buffer; readonly trailer: Record<string, string> } {
  const chunks: Buffer[] = [];
  for (let at = 0; ; ) {
    const lineEnd = body.indexOf('\r\n', at);
    const length = parseInt(body.toString('latin1', at, lineEnd), 16);
    if (lineEnd < 0 || !(lineEnd + 2 + length <= body.length)) throw incomplete();
    at = lineEnd + 2 + length + (length > 0 ? 2 : 0);
    if (length === 0) return { data: Buffer.concat(chunks), trailer: headerLines(body.toString('latin1', at)) };
    chunks.push(body.subarray(lineEnd + 2, at - 2));
  }
}

function headerLines(text: string): Record<string, string> {
  return Object.fromEntries(
    text
      .split('\r\n')
      .filter((line) => line !== '')
      .map((line) => {
        const [name, value = ''] = line.split(/: *(.*)/);
        return [name.toLowerCase(), value];
      }),
  );
}

function incomplete(): AwsError {
  return new AwsError(
    400,
    'IncompleteBody',
    'You did not provide the number of bytes specified by the Content-Length HTTP header.',
  );
}
