/** Our uploads and reads against an S3 server that is neither AWS nor ours: it verifies signatures for real. */
import { randomBytes } from 'node:crypto';
import { CreateBucketCommand, GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { blobOf } from '../../cli/deploy/lambda/package.ts';
import { deleteUnder, ensureBucket, putOnce } from '../../cli/deploy/lambda/upload.ts';
import { readInRanges } from '../../infra/aws-lambda/ranges.ts';
import { type Swift, startSwift, swiftAbsent } from '../support/swift/swift.ts';

const bucket = { name: 'slim-artifacts', account: '123456789012', region: 'us-east-1' };

describe.skipIf(swiftAbsent !== null)(`Swift${swiftAbsent === null ? '' : ` (skipped: ${swiftAbsent})`}`, () => {
  let swift: Swift;
  let s3: S3Client;
  const clientWith = (secretAccessKey: string): S3Client =>
    new S3Client({
      endpoint: swift.endpoint,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: { accessKeyId: swift.accessKey, secretAccessKey },
    });

  beforeAll(async () => {
    swift = await startSwift();
    s3 = clientWith(swift.secretKey);
    await s3.send(new CreateBucketCommand({ Bucket: bucket.name })); // it knows no public access blocks
  }, 120_000);
  afterAll(() => swift?.close());

  it.each([
    ['small', 300_000],
    ['large', 20 * 1024 ** 2],
  ])(
    'takes an object that is %s, once, and gives it back in ranges',
    async (name, bytes) => {
      const blob = blobOf(randomBytes(bytes));
      expect(await ensureBucket(s3, bucket)).toBe('there');
      expect(await putOnce(s3, bucket, `cats/${name}`, blob)).toBe('sent');
      expect(await putOnce(s3, bucket, `cats/${name}`, blob)).toBe('there');
      const read = await readInRanges(
        bytes,
        async (first, last) => {
          const { Body } = await s3.send(
            new GetObjectCommand({ Bucket: bucket.name, Key: `cats/${name}`, Range: `bytes=${first}-${last}` }),
          );
          return Body!.transformToByteArray();
        },
        3 * 1024 ** 2,
      );
      expect(Buffer.compare(read, blob.bytes)).toBe(0);
    },
    60_000,
  );

  it('refuses a wrong secret, in words', async () => {
    await expect(putOnce(clientWith('wrong'), bucket, 'cats/other', blobOf(randomBytes(10)))).rejects.toMatchObject({
      name: 'UserError',
      message: expect.stringMatching(/can't send cats\/other: AWS (refuses|does not accept)/),
    });
  });

  it('is empty of a name once that is deleted', async () => {
    await putOnce(s3, bucket, 'dogs/one', blobOf(randomBytes(10)));
    expect(await deleteUnder(s3, bucket, 'cats/')).toBe(2);
    expect(await deleteUnder(s3, bucket, 'cats/')).toBe(0);
    expect(await deleteUnder(s3, bucket, 'dogs/')).toBe(1);
  });
});
