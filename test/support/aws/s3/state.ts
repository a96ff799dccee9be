/** What S3 keeps. */
import { createHash, randomUUID } from 'node:crypto';
import { ACCOUNT } from '../identity.ts';
import { AwsError } from '../message.ts';
import { type ChecksumAlgorithm, checksumOf } from './checksums.ts';

export interface Bucket {
  readonly name: string;
  readonly region: string;
  /** An account. */
  readonly owner: string;
  publicAccessBlocked: boolean;
  /** New objects get version ids. Only the newest version is kept. */
  versioned: boolean;
  readonly objects: Map<string, StoredObject>;
  /** By upload id. */
  readonly uploads: Map<string, MultipartUpload>;
}

export type Checksums = Readonly<Partial<Record<ChecksumAlgorithm, string>>>;

export interface StoredObject {
  readonly data: Buffer;
  /** With its quotes. */
  readonly etag: string;
  readonly lastModified: Date;
  /** Content-Type and the like, and `x-amz-meta-`. */
  readonly headers: Readonly<Record<string, string>>;
  readonly checksums: Checksums;
  readonly checksumType: 'FULL_OBJECT' | 'COMPOSITE';
  /** Of an object uploaded in parts: how many. */
  readonly parts: number | null;
  readonly versionId: string | undefined;
}

export interface MultipartUpload {
  readonly key: string;
  readonly initiated: Date;
  readonly headers: StoredObject['headers'];
  readonly algorithm: ChecksumAlgorithm;
  readonly checksumType: StoredObject['checksumType'];
  readonly parts: Map<number, Part>;
}

export interface Part {
  readonly data: Buffer;
  readonly etag: string;
  readonly checksum: string;
  readonly lastModified: Date;
}

export type Buckets = Map<string, Bucket>;

export function newBucket(name: string, { region = 'us-east-1', owner = ACCOUNT } = {}): Bucket {
  return { name, region, owner, publicAccessBlocked: false, versioned: false, objects: new Map(), uploads: new Map() };
}

export interface NewObject {
  readonly headers?: StoredObject['headers'];
  readonly checksums?: Checksums;
  readonly checksumType?: StoredObject['checksumType'];
  readonly etag?: string;
  readonly parts?: number;
}

/** Stores an object. Where the client gave no checksum, S3 keeps a CRC-64/NVME. */
export function putObject(
  bucket: Bucket,
  key: string,
  data: Buffer,
  { headers = {}, checksums = {}, checksumType = 'FULL_OBJECT', etag, parts }: NewObject = {},
): StoredObject {
  const object: StoredObject = {
    data,
    etag: etag ?? etagOf(data),
    lastModified: new Date(),
    headers,
    checksums: Object.keys(checksums).length > 0 ? checksums : { crc64nvme: checksumOf('crc64nvme', data) },
    checksumType,
    parts: parts ?? null,
    versionId: bucket.versioned ? randomUUID().replaceAll('-', '') : undefined,
  };
  bucket.objects.set(key, object);
  return object;
}

export function etagOf(data: Buffer): string {
  return `"${createHash('md5').update(data).digest('hex')}"`;
}

/** Throws an AwsError where a conditional write must not happen. */
export function checkWrite(
  bucket: Bucket,
  key: string,
  headers: { readonly 'if-none-match'?: string; readonly 'if-match'?: string },
): void {
  const existing = bucket.objects.get(key);
  const expected = headers['if-match'];
  if (expected !== undefined && existing === undefined)
    throw new AwsError(404, 'NoSuchKey', 'The specified key does not exist.');
  if (
    (headers['if-none-match'] === '*' && existing !== undefined) ||
    (expected !== undefined && existing!.etag !== expected)
  ) {
    throw new AwsError(412, 'PreconditionFailed', 'At least one of the pre-conditions you specified did not hold');
  }
}
