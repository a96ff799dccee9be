/**
 * The stand-in for S3, beyond what ./s3-conformance.test.ts asks: whom it lets in, what it refuses, and what goes wrong
 * on demand.
 */
import { randomBytes } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  PutPublicAccessBlockCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Aws, administrator, startAws } from '../../support/aws/aws.ts';
import type { Fault } from '../../support/aws/faults.ts';
import { ACCOUNT, type Identity, type Statement } from '../../support/aws/identity.ts';
import { checksumOf } from '../../support/aws/s3/checksums.ts';
import { newBucket } from '../../support/aws/s3/state.ts';

let aws: Aws;
beforeAll(async () => {
  aws = await startAws();
});
afterAll(() => aws.close());
beforeEach(() => void aws.buckets.set('models', newBucket('models')));
afterEach(() => aws.inject(() => null));

const Bucket = 'models';

function client(
  {
    accessKeyId,
    secretAccessKey,
    sessionToken,
  }: Pick<Identity, 'accessKeyId' | 'secretAccessKey' | 'sessionToken'> = administrator,
  options: object = {},
): S3Client {
  return new S3Client({
    endpoint: aws.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey, sessionToken },
    maxAttempts: 1,
    ...options,
  });
}

/** Somebody whom a policy allows this and no more. */
function userWith(...statements: Statement[]): Identity {
  const accessKeyId = `AKIA${aws.identities.size}`;
  const identity = {
    accessKeyId,
    secretAccessKey: 'secret',
    account: ACCOUNT,
    arn: `arn:aws:iam::${ACCOUNT}:user/${accessKeyId}`,
    policies: [{ Statement: statements }],
  };
  aws.identities.set(accessKeyId, identity);
  return identity;
}

const refused = (name: string, httpStatusCode: number): object =>
  expect.objectContaining({ name, $metadata: expect.objectContaining({ httpStatusCode }) });

describe('checksums', () => {
  // The check values of the CRC catalogue (reveng.sourceforge.io/crc-catalogue), of "123456789".
  it.for([
    ['crc32', 'cbf43926'],
    ['crc32c', 'e3069283'],
    ['crc64nvme', 'ae8b14860a799888'],
  ] as const)('computes %s', ([algorithm, check]) => {
    expect(Buffer.from(checksumOf(algorithm, Buffer.from('123456789')), 'base64').toString('hex')).toBe(check);
  });

  it.for(['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const)(
    'agrees with the SDK on %s',
    async (algorithm) => {
      const Body = randomBytes(1001);
      const put = await client().send(new PutObjectCommand({ Bucket, Key: 'k', Body, ChecksumAlgorithm: algorithm }));
      const head = await client().send(new HeadObjectCommand({ Bucket, Key: 'k', ChecksumMode: 'ENABLED' }));
      const own = checksumOf(algorithm.toLowerCase() as 'crc32', Body);
      expect([put[`Checksum${algorithm}`], head[`Checksum${algorithm}`], head.ChecksumType]).toEqual([
        own,
        own,
        'FULL_OBJECT',
      ]);
    },
  );

  it('refuses a body that is not the signed one', async () => {
    const s3 = client();
    s3.middlewareStack.add(
      (next) => (args) => {
        (args.request as { body: string }).body = 'abd';
        return next(args);
      },
      { step: 'deserialize', priority: 'low' },
    );
    await expect(s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'abc' }))).rejects.toEqual(
      refused('XAmzContentSHA256Mismatch', 400),
    );
  });
});

describe('buckets', () => {
  it('are made once by their owner, and never by somebody else', async () => {
    await client().send(new CreateBucketCommand({ Bucket: 'slim-new' }));
    await client().send(new CreateBucketCommand({ Bucket: 'slim-new' })); // fine in us-east-1
    const elsewhere = client(administrator, { region: 'eu-west-1' });
    const CreateBucketConfiguration = { LocationConstraint: 'eu-west-1' } as const;
    await elsewhere.send(new CreateBucketCommand({ Bucket: 'slim-eu', CreateBucketConfiguration }));
    await expect(
      elsewhere.send(new CreateBucketCommand({ Bucket: 'slim-eu', CreateBucketConfiguration })),
    ).rejects.toEqual(refused('BucketAlreadyOwnedByYou', 409));
    await expect(
      client().send(new CreateBucketCommand({ Bucket: 'slim-eu2', CreateBucketConfiguration })),
    ).rejects.toEqual(refused('IllegalLocationConstraintException', 400));
    await expect(client().send(new CreateBucketCommand({ Bucket: 'Slim_' }))).rejects.toEqual(
      refused('InvalidBucketName', 400),
    );

    aws.buckets.set('squatted', newBucket('squatted', { owner: '999999999999' }));
    await expect(client().send(new CreateBucketCommand({ Bucket: 'squatted' }))).rejects.toEqual(
      refused('BucketAlreadyExists', 409),
    );
    await expect(client().send(new HeadBucketCommand({ Bucket: 'squatted' }))).rejects.toEqual(refused('Unknown', 403));
    await expect(
      client().send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x', ExpectedBucketOwner: '999999999999' })),
    ).rejects.toEqual(refused('AccessDenied', 403));
  });

  it('can be closed to the public', async () => {
    const all = { BlockPublicAcls: true, BlockPublicPolicy: true, IgnorePublicAcls: true, RestrictPublicBuckets: true };
    await client().send(
      new PutPublicAccessBlockCommand({ Bucket, PublicAccessBlockConfiguration: { ...all, BlockPublicPolicy: false } }),
    );
    expect(aws.buckets.get(Bucket)!.publicAccessBlocked).toBe(false);
    await client().send(new PutPublicAccessBlockCommand({ Bucket, PublicAccessBlockConfiguration: all }));
    expect(aws.buckets.get(Bucket)!.publicAccessBlocked).toBe(true);
  });

  it('are listed page by page', async () => {
    for (const Key of ['b/1', 'a', 'b/2', 'c&<ä', 'b'])
      await client().send(new PutObjectCommand({ Bucket, Key, Body: Key }));
    const pages = [];
    for (let token: string | undefined; ; ) {
      const page = await client().send(new ListObjectsV2Command({ Bucket, MaxKeys: 2, ContinuationToken: token }));
      pages.push(page.Contents!.map(({ Key }) => Key));
      token = page.NextContinuationToken;
      if (token === undefined) break;
    }
    expect(pages).toEqual([['a', 'b'], ['b/1', 'b/2'], ['c&<ä']]);
    const folders = await client().send(new ListObjectsV2Command({ Bucket, Delimiter: '/' }));
    expect([folders.Contents!.map(({ Key }) => Key), folders.CommonPrefixes]).toEqual([
      ['a', 'b', 'c&<ä'],
      [{ Prefix: 'b/' }],
    ]);
    expect(
      (await client().send(new ListObjectsV2Command({ Bucket, Prefix: 'b/' }))).Contents!.map(({ Size }) => Size),
    ).toEqual([3, 3]);
    await client().send(
      new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: 'b/1' }, { Key: 'c&<ä' }, { Key: 'never' }] } }),
    );
    expect([...aws.buckets.get(Bucket)!.objects.keys()]).toEqual(['a', 'b/2', 'b']);
  });

  it('refuse what this stand-in does not know', async () => {
    await client().send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x' }));
    await expect(
      client().send(new PutObjectTaggingCommand({ Bucket, Key: 'k', Tagging: { TagSet: [] } })),
    ).rejects.toEqual(refused('NotImplemented', 501));
    expect(aws.buckets.get(Bucket)!.objects.get('k')!.data.toString()).toBe('x');
  });
});

describe('ranges', () => {
  it.for([
    ['bytes=0-0', '0', 'bytes 0-0/10'],
    ['bytes=7-', '789', 'bytes 7-9/10'],
    ['bytes=-2', '89', 'bytes 8-9/10'],
    ['bytes=8-99', '89', 'bytes 8-9/10'],
  ] as const)('gives %s', async ([Range, body, ContentRange]) => {
    await client().send(new PutObjectCommand({ Bucket, Key: 'k', Body: '0123456789' }));
    const got = await client().send(new GetObjectCommand({ Bucket, Key: 'k', Range }));
    expect([await got.Body!.transformToString(), got.ContentRange, got.$metadata.httpStatusCode]).toEqual([
      body,
      ContentRange,
      206,
    ]);
  });

  it('refuses what is beyond the end', async () => {
    await client().send(new PutObjectCommand({ Bucket, Key: 'k', Body: '0123456789' }));
    await expect(client().send(new GetObjectCommand({ Bucket, Key: 'k', Range: 'bytes=10-' }))).rejects.toEqual(
      refused('InvalidRange', 416),
    );
  });
});

describe('uploads in parts', () => {
  const MiB = 1024 * 1024;
  const Key = 'big';

  it('come together, with the checksum of all of it where it is asked for', async () => {
    const Body = randomBytes(11 * MiB);
    await new Upload({
      client: client(),
      params: { Bucket, Key, Body, ChecksumAlgorithm: 'CRC64NVME' },
      partSize: 5 * MiB,
    }).done();
    const { data, checksums, parts } = aws.buckets.get(Bucket)!.objects.get(Key)!;
    expect([data.equals(Body), checksums, parts]).toEqual([true, { crc64nvme: checksumOf('crc64nvme', Body) }, 3]);
  });

  it('are listed until they are complete or given up', async () => {
    const s3 = client();
    const { UploadId } = await s3.send(
      new CreateMultipartUploadCommand({ Bucket, Key, ContentType: 'application/x-slim' }),
    );
    const parts = [randomBytes(5 * MiB), randomBytes(10)];
    const Parts = [];
    for (const [i, Body] of parts.entries())
      Parts.push({
        PartNumber: i + 1,
        ETag: (await s3.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: i + 1, Body }))).ETag,
      });
    expect((await s3.send(new ListPartsCommand({ Bucket, Key, UploadId }))).Parts!.map(({ Size }) => Size)).toEqual([
      5 * MiB,
      10,
    ]);
    expect((await s3.send(new ListMultipartUploadsCommand({ Bucket, Prefix: 'bi' }))).Uploads).toEqual([
      expect.objectContaining({ Key, UploadId }),
    ]);

    const complete = (list: object[], options: object = {}): Promise<unknown> =>
      s3.send(
        new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts: list }, ...options }),
      );
    await expect(complete([...Parts].reverse())).rejects.toEqual(refused('InvalidPartOrder', 400));
    await expect(complete([{ PartNumber: 1, ETag: '"0"' }])).rejects.toEqual(refused('InvalidPart', 400));
    await expect(complete([{ PartNumber: 3, ETag: Parts[0].ETag }])).rejects.toEqual(refused('InvalidPart', 400));
    await s3.send(new PutObjectCommand({ Bucket, Key, Body: 'other' }));
    await expect(complete(Parts, { IfNoneMatch: '*' })).rejects.toEqual(refused('PreconditionFailed', 412));
    await complete(Parts);
    const got = await s3.send(new GetObjectCommand({ Bucket, Key }));
    expect([Buffer.from(await got.Body!.transformToByteArray()).equals(Buffer.concat(parts)), got.ContentType]).toEqual(
      [true, 'application/x-slim'],
    );
    await expect(s3.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }))).rejects.toEqual(
      refused('NoSuchUpload', 404),
    );
    expect((await s3.send(new ListMultipartUploadsCommand({ Bucket }))).Uploads).toBeUndefined();
  });

  it('need parts of 5 MiB, but for the last', async () => {
    const s3 = client();
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key }));
    const Parts = [];
    for (const PartNumber of [1, 2])
      Parts.push({
        PartNumber,
        ETag: (await s3.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body: 'small' }))).ETag,
      });
    await expect(
      s3.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } })),
    ).rejects.toEqual(refused('EntityTooSmall', 400));
    await s3.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
    expect(aws.buckets.get(Bucket)!.uploads.size).toBe(0);
  });
});

describe('policies', () => {
  const read: Statement = { Effect: 'Allow', Action: 's3:GetObject', Resource: 'arn:aws:s3:::models/cats/*' };
  const list: Statement = { Effect: 'Allow', Action: ['s3:ListBucket'], Resource: ['arn:aws:s3:::models'] };

  it('limit who may do what to which object', async () => {
    await client().send(new PutObjectCommand({ Bucket, Key: 'cats/a', Body: 'a' }));
    await client().send(new PutObjectCommand({ Bucket, Key: 'dogs/a', Body: 'a' }));
    const user = client(userWith(read));
    await user.send(new GetObjectCommand({ Bucket, Key: 'cats/a' }));
    await expect(user.send(new GetObjectCommand({ Bucket, Key: 'dogs/a' }))).rejects.toEqual(
      refused('AccessDenied', 403),
    );
    await expect(user.send(new PutObjectCommand({ Bucket, Key: 'cats/a', Body: 'b' }))).rejects.toEqual(
      refused('AccessDenied', 403),
    );
    const denied = client(userWith(read, { Effect: 'Deny', Action: 's3:Get*', Resource: '*' }));
    await expect(denied.send(new GetObjectCommand({ Bucket, Key: 'cats/a' }))).rejects.toEqual(
      refused('AccessDenied', 403),
    );
  });

  it('tell that an object is missing only to those who may list', async () => {
    await expect(client(userWith(read)).send(new GetObjectCommand({ Bucket, Key: 'cats/none' }))).rejects.toEqual(
      refused('AccessDenied', 403),
    );
    await expect(client(userWith(read, list)).send(new GetObjectCommand({ Bucket, Key: 'cats/none' }))).rejects.toEqual(
      refused('NoSuchKey', 404),
    );
  });

  it('hold for each object of a deletion', async () => {
    for (const Key of ['cats/a', 'dogs/a']) await client().send(new PutObjectCommand({ Bucket, Key, Body: 'a' }));
    const user = client(
      userWith({ Effect: 'Allow', Action: 's3:DeleteObject', Resource: 'arn:aws:s3:::models/cats/*' }),
    );
    const { Deleted, Errors } = await user.send(
      new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: 'cats/a' }, { Key: 'dogs/a' }] } }),
    );
    expect([Deleted, Errors]).toEqual([
      [{ Key: 'cats/a' }],
      [expect.objectContaining({ Key: 'dogs/a', Code: 'AccessDenied' })],
    ]);
    expect([...aws.buckets.get(Bucket)!.objects.keys()]).toEqual(['dogs/a']);
  });

  it('ask temporary credentials for their token', async () => {
    const role = { ...userWith(list), sessionToken: 'token' };
    aws.identities.set(role.accessKeyId, role);
    await client(role).send(new HeadBucketCommand({ Bucket }));
    await expect(
      client({ ...role, sessionToken: undefined }).send(new ListObjectsV2Command({ Bucket })),
    ).rejects.toEqual(refused('InvalidToken', 403));
  });
});

describe('faults', () => {
  const once = (fault: Fault): void =>
    aws.inject(({ service, operation, count }) =>
      service === 's3' && operation === 'GetObject' && count === 1 ? fault : null,
    );
  const get = async (s3: S3Client): Promise<string> =>
    (await s3.send(new GetObjectCommand({ Bucket, Key: 'k' }))).Body!.transformToString();

  it.for<[string, Fault, object]>([
    ['a refusal', { kind: 'status', status: 503, code: 'SlowDown' }, refused('SlowDown', 503)],
    ['an ended connection', { kind: 'drop' }, expect.objectContaining({ code: 'ECONNRESET' })],
    ['half an answer', { kind: 'cut' }, expect.objectContaining({ message: 'aborted' })],
  ])('give %s, which a second try gets over', async ([, fault, expected]) => {
    await client().send(new PutObjectCommand({ Bucket, Key: 'k', Body: '0123456789' }));
    aws.requests.length = 0;
    once(fault);
    await expect(get(client())).rejects.toEqual(expected);
    expect(await get(client())).toBe('0123456789');
    expect(aws.requests).toEqual(['s3.GetObject', 's3.GetObject']);
  });

  it('give no answer at all', async () => {
    await client().send(new PutObjectCommand({ Bucket, Key: 'k', Body: '0123456789' }));
    once({ kind: 'timeout' });
    const impatient = client(administrator, { requestHandler: { requestTimeout: 100, throwOnRequestTimeout: true } });
    await expect(get(impatient)).rejects.toEqual(expect.objectContaining({ name: 'TimeoutError' }));
    expect(await get(client())).toBe('0123456789');
  });

  it('give answers late', async () => {
    await client().send(new PutObjectCommand({ Bucket, Key: 'k', Body: '0123456789' }));
    once({ kind: 'delay', ms: 100 });
    const started = Date.now();
    expect(await get(client())).toBe('0123456789');
    expect(Date.now() - started).toBeGreaterThanOrEqual(99); // timers may fire a millisecond early
  });

  it('lose the answer to what was done', async () => {
    aws.inject(() => ({ kind: 'cut' }));
    await expect(client().send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x' }))).rejects.toEqual(
      expect.objectContaining({ code: 'ECONNRESET' }),
    );
    expect(aws.buckets.get(Bucket)!.objects.get('k')!.data.toString()).toBe('x');
  });
});
