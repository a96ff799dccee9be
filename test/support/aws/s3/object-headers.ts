/** An object's headers: those it is stored with and those it is given out with. */
import { AwsError, type AwsRequest, type AwsResponse } from '../message.ts';
import type { Checksums, StoredObject } from './state.ts';

const KEPT = ['content-type', 'cache-control', 'content-disposition', 'content-language', 'expires'];

/** What a client says about an object and gets back with it. */
export function storedHeaders({ headers }: AwsRequest): Record<string, string> {
  const kept = Object.entries(headers).filter(
    (entry): entry is [string, string] => KEPT.includes(entry[0]) || entry[0].startsWith('x-amz-meta-'),
  );
  // What is left of a Content-Encoding when aws-chunked, which is of the transfer, is unwrapped.
  const encoding = (headers['content-encoding'] ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '' && name !== 'aws-chunked');
  return Object.fromEntries([...kept, ...(encoding.length > 0 ? [['content-encoding', encoding.join(',')]] : [])]);
}

export function objectHeaders(object: StoredObject, { headers }: AwsRequest): NonNullable<AwsResponse['headers']> {
  return {
    'content-type': 'application/octet-stream',
    ...object.headers,
    etag: object.etag,
    'last-modified': object.lastModified.toUTCString(),
    'accept-ranges': 'bytes',
    'x-amz-version-id': object.versionId,
    ...(headers['x-amz-checksum-mode'] === 'ENABLED' && headers.range === undefined && checksumHeaders(object)),
  };
}

/** What a client is told about what it wrote. */
export function writtenHeaders(object: StoredObject): NonNullable<AwsResponse['headers']> {
  return { etag: object.etag, 'x-amz-version-id': object.versionId, ...checksumHeaders(object) };
}

function checksumHeaders({ checksums, checksumType }: StoredObject): Record<string, string> {
  return {
    ...Object.fromEntries(
      Object.entries(checksums).map(([algorithm, value]) => [`x-amz-checksum-${algorithm}`, value]),
    ),
    'x-amz-checksum-type': checksumType,
  };
}

/** As XML names them: `ChecksumCRC32`. */
export function checksumElements(checksums: Checksums): Record<string, string> {
  return Object.fromEntries(
    Object.entries(checksums).map(([algorithm, value]) => [`Checksum${algorithm.toUpperCase()}`, value]),
  );
}

/** 304 where the client has this object, 200 where not. Throws an AwsError where it asks for another one. */
export function conditionalStatus({ etag }: StoredObject, { headers }: AwsRequest): 200 | 304 {
  const expected = headers['if-match'];
  if (expected !== undefined && expected !== etag)
    throw new AwsError(412, 'PreconditionFailed', 'At least one of the pre-conditions you specified did not hold');
  return headers['if-none-match'] === etag ? 304 : 200;
}

/**
 * The bytes that a Range header asks for, the end excluded; null where there is none. Throws an AwsError where none of
 * them is there.
 */
export function rangeOf(
  { headers }: AwsRequest,
  bytes: number,
): { readonly start: number; readonly end: number } | null {
  const range = /^bytes=(\d*)-(\d*)$/.exec(headers.range ?? '');
  if (range === null) return null;
  const [first, last] = [range[1], range[2]];
  const start = first === '' ? Math.max(0, bytes - Number(last)) : Number(first);
  const end = first === '' || last === '' ? bytes : Math.min(bytes, Number(last) + 1);
  if (start >= end) throw new AwsError(416, 'InvalidRange', 'The requested range is not satisfiable');
  return { start, end };
}
