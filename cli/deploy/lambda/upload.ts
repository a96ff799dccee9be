/** Objects under content-addressed keys: what is there is right, and is never sent twice. */
import type { S3Client } from '@aws-sdk/client-s3';
import { UserError } from '../../io/errors.ts';
import { throwIfInterrupted } from '../../io/io.ts';
import { atAws, nameOf, orNull, statusOf } from './errors.ts';
import type { Blob256 } from './package.ts';

/** Objects above this go up in parts of this size. */
const PART_BYTES = 8 * 1024 ** 2;

/** A bucket, and the account that it has to belong to: names of buckets can be guessed, and taken by others. */
export interface Bucket {
  readonly name: string;
  readonly account: string;
  readonly region: string;
}

/** Who watches a large object go up, and may stop it. */
export interface UploadWatch {
  readonly signal?: AbortSignal;
  /** In bytes. */
  readonly onProgress?: (sent: number, total: number) => void;
}

/**
 * Makes the bucket where there is none, closed to the public.
 * @throws UserError where it is somebody else's, or elsewhere
 */
export async function ensureBucket(s3: S3Client, { name, account, region }: Bucket): Promise<'made' | 'there'> {
  const { CreateBucketCommand, HeadBucketCommand, PutPublicAccessBlockCommand } = await import('@aws-sdk/client-s3');
  return atAws(`use the bucket ${name}`, async () => {
    const found = await orNull(s3.send(new HeadBucketCommand({ Bucket: name, ExpectedBucketOwner: account }))).catch(
      (error: unknown) => {
        if (statusOf(error) === 301)
          throw new UserError(
            `the bucket ${name} is not in ${region}`,
            'Choose one that is with --bucket, or another --region.',
          );
        if (statusOf(error) === 403)
          throw new UserError(
            `the bucket ${name} belongs to another account, or these credentials may not use it`,
            'Choose another with --bucket.',
          );
        throw error;
      },
    );
    if (found) return 'there';
    const location =
      region === 'us-east-1' ? {} : { CreateBucketConfiguration: { LocationConstraint: region as never } };
    await s3.send(new CreateBucketCommand({ Bucket: name, ...location })).catch((error: unknown) => {
      if (nameOf(error) !== 'BucketAlreadyOwnedByYou') throw error;
    });
    const closed = {
      BlockPublicAcls: true,
      IgnorePublicAcls: true,
      BlockPublicPolicy: true,
      RestrictPublicBuckets: true,
    };
    await s3.send(
      new PutPublicAccessBlockCommand({
        Bucket: name,
        ExpectedBucketOwner: account,
        PublicAccessBlockConfiguration: closed,
      }),
    );
    return 'made';
  });
}

/**
 * Puts an object whose key names its digest, if it is not there yet. S3 checks what arrives: by its SHA-256, large ones
 * by the CRC32 of their parts. Two that put the same at once don't disturb each other (If-None-Match).
 */
export async function putOnce(
  s3: S3Client,
  { name: Bucket, account: ExpectedBucketOwner }: Bucket,
  Key: string,
  { bytes, sha256 }: Blob256,
  watch: UploadWatch = {},
): Promise<'sent' | 'there'> {
  const { HeadObjectCommand } = await import('@aws-sdk/client-s3');
  return atAws(`send ${Key}`, async () => {
    const at = { Bucket, Key, ExpectedBucketOwner };
    const isThere = async (): Promise<boolean> => {
      const found = await orNull(s3.send(new HeadObjectCommand(at)));
      if (found && found.ContentLength !== bytes.length)
        throw new UserError(
          `${Bucket}/${Key} has ${found.ContentLength} bytes instead of ${bytes.length}`,
          'Somebody else wrote it: delete it, and run again.',
        );
      return found !== null;
    };
    if (await isThere()) return 'there';
    const object = {
      ...at,
      Body: bytes,
      ContentType: 'application/octet-stream',
      Metadata: { sha256 },
      IfNoneMatch: '*',
    };
    try {
      if (bytes.length <= PART_BYTES)
        await putWhole(s3, { ...object, ChecksumSHA256: Buffer.from(sha256, 'hex').toString('base64') });
      else await putInParts(s3, object, bytes.length, watch);
    } catch (error) {
      if (watch.signal) throwIfInterrupted(watch.signal);
      // Somebody else was faster, or the answer was lost: what counts is that it is there.
      if (!(await isThere())) throw error;
    }
    if (bytes.length > PART_BYTES) await abortUnfinished(s3, object); // begun twice, where the first answer was lost
    return 'sent';
  });
}

interface ObjectToPut {
  readonly Bucket: string;
  readonly Key: string;
  readonly Body: Uint8Array;
  readonly ExpectedBucketOwner: string;
}

/**
 * Other S3 servers may know no conditional writes (501). The condition saves sending twice; what the key says holds
 * without it.
 */
async function putWhole(
  client: S3Client,
  object: ObjectToPut & { readonly ChecksumSHA256: string; readonly IfNoneMatch: string },
): Promise<void> {
  const { PutObjectCommand } = await import('@aws-sdk/client-s3');
  await client.send(new PutObjectCommand(object)).catch((error: unknown) => {
    if (statusOf(error) !== 501) throw error;
    return client.send(new PutObjectCommand({ ...object, IfNoneMatch: undefined }));
  });
}

async function putInParts(
  client: S3Client,
  object: ObjectToPut,
  total: number,
  { signal, onProgress }: UploadWatch,
): Promise<void> {
  const { Upload } = await import('@aws-sdk/lib-storage');
  await abortUnfinished(client, object);
  const upload = new Upload({
    client,
    params: { ...object, ChecksumAlgorithm: 'CRC32' },
    partSize: PART_BYTES,
    queueSize: 4,
  });
  upload.on('httpUploadProgress', ({ loaded }) => onProgress?.(loaded ?? 0, total));
  const stop = (): void => void upload.abort();
  signal?.addEventListener('abort', stop);
  await upload.done().finally(() => signal?.removeEventListener('abort', stop));
}

/** What a run that was killed left of this very object: parts are paid for until somebody ends their upload. */
async function abortUnfinished(client: S3Client, { Bucket, Key, ExpectedBucketOwner }: ObjectToPut): Promise<void> {
  const { AbortMultipartUploadCommand, ListMultipartUploadsCommand } = await import('@aws-sdk/client-s3');
  const { Uploads = [] } = await client.send(
    new ListMultipartUploadsCommand({ Bucket, Prefix: Key, ExpectedBucketOwner }),
  );
  for (const { UploadId, Key: key } of Uploads) {
    await orNull(client.send(new AbortMultipartUploadCommand({ Bucket, Key: key, UploadId, ExpectedBucketOwner })));
  }
}

/** Deletes all objects whose keys begin so: an artifact's few. Returns how many. */
export async function deleteUnder(
  s3: S3Client,
  { name: Bucket, account: ExpectedBucketOwner }: Bucket,
  Prefix: string,
): Promise<number> {
  const { DeleteObjectCommand, ListObjectsV2Command } = await import('@aws-sdk/client-s3');
  return atAws(`delete what is under ${Bucket}/${Prefix}`, async () => {
    for (let deleted = 0; ; ) {
      const listed = await orNull(s3.send(new ListObjectsV2Command({ Bucket, Prefix, ExpectedBucketOwner })));
      const objects = listed?.Contents ?? [];
      if (objects.length === 0) return deleted;
      for (const { Key } of objects) await s3.send(new DeleteObjectCommand({ Bucket, Key, ExpectedBucketOwner }));
      deleted += objects.length;
    }
  });
}
