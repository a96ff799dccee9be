/**
 * Swift's S3 API as tests start it: an S3 server without aws-chunked streams and conditional writes, for those who
 * deploy to no AWS.
 */
import { randomBytes } from 'node:crypto';
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Swift, startSwift, swiftAbsent } from '../../support/swift/swift.ts';

describe.skipIf(swiftAbsent !== null)(`Swift${swiftAbsent === null ? '' : ` (skipped: ${swiftAbsent})`}`, () => {
  let swift: Swift;
  beforeAll(async () => {
    swift = await startSwift();
    await client().send(new CreateBucketCommand({ Bucket }));
  }, 120_000); // four Python programs on a busy machine
  afterAll(() => swift?.close());

  const Bucket = 'models';
  const client = (secretAccessKey = swift.secretKey): S3Client =>
    new S3Client({
      endpoint: swift.endpoint,
      region: 'us-east-1',
      forcePathStyle: true,
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      maxAttempts: 1,
      credentials: { accessKeyId: swift.accessKey, secretAccessKey },
    });
  const read = async (Key: string): Promise<Buffer> =>
    Buffer.from(await (await client().send(new GetObjectCommand({ Bucket, Key }))).Body!.transformToByteArray());

  it('gives what was put', async () => {
    const Body = randomBytes(300_000);
    await client().send(new PutObjectCommand({ Bucket, Key: 'cats/a.slim', Body }));
    expect((await read('cats/a.slim')).equals(Body)).toBe(true);
    expect(
      (await client().send(new ListObjectsV2Command({ Bucket, Prefix: 'cats/' }))).Contents!.map(({ Key, Size }) => [
        Key,
        Size,
      ]),
    ).toEqual([['cats/a.slim', 300_000]]);
  });

  it('puts parts together', async () => {
    const Body = randomBytes(11 * 1024 * 1024);
    await new Upload({ client: client(), params: { Bucket, Key: 'big', Body }, partSize: 5 * 1024 * 1024 }).done();
    expect((await read('big')).equals(Body)).toBe(true);
  });

  it('refuses a wrong secret', async () => {
    await expect(client('wrong').send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x' }))).rejects.toEqual(
      expect.objectContaining({
        name: 'SignatureDoesNotMatch',
        $metadata: expect.objectContaining({ httpStatusCode: 403 }),
      }),
    );
  });
});
