/** Objects that go up once and arrive whole, whatever happens on the way. */
import { randomBytes } from 'node:crypto';
import { HeadObjectCommand, ListMultipartUploadsCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { beforeEach, describe, expect, it } from 'vitest';
import { type AwsClients, createClients } from '../../cli/deploy/lambda/clients.ts';
import { blobOf } from '../../cli/deploy/lambda/package.ts';
import { type Bucket, deleteUnder, ensureBucket, putOnce } from '../../cli/deploy/lambda/upload.ts';
import { type Aws, administrator, environmentFor, startAws } from '../support/aws/aws.ts';
import type { Fault } from '../support/aws/faults.ts';

const small = blobOf(randomBytes(100_000));
const large = blobOf(randomBytes(20 * 1024 ** 2));

let aws: Aws;
let clients: AwsClients;
let bucket: Bucket;

beforeEach(async () => {
  aws = await startAws();
  Object.assign(process.env, environmentFor(aws, administrator));
  clients = await createClients(undefined, 700);
  bucket = { name: 'artifacts', account: clients.account, region: clients.region };
  return () => aws.close();
});

async function bytesOf(key: string): Promise<Buffer> {
  const { GetObjectCommand } = await import('@aws-sdk/client-s3');
  const { Body } = await clients.s3.send(new GetObjectCommand({ Bucket: bucket.name, Key: key }));
  return Buffer.from(await Body!.transformToByteArray());
}

it('makes the bucket once, closed to the public', async () => {
  expect([await ensureBucket(clients.s3, bucket), await ensureBucket(clients.s3, bucket)]).toEqual(['made', 'there']);
  expect(aws.requests.filter((name) => /CreateBucket|PublicAccessBlock/.test(name))).toEqual([
    's3.CreateBucket',
    's3.PutPublicAccessBlock',
  ]);
});

describe.each([
  ['small', small],
  ['large, in parts', large],
])('an object that is %s', (_, blob) => {
  it('is sent once, with a checksum that S3 verifies', async () => {
    await ensureBucket(clients.s3, bucket);
    expect(await putOnce(clients.s3, bucket, 'a/one', blob)).toBe('sent');
    const sends = (): number => aws.requests.filter((name) => /PutObject|UploadPart/.test(name)).length;
    const sent = sends();
    expect(await putOnce(clients.s3, bucket, 'a/one', blob)).toBe('there');
    expect(sends()).toBe(sent);
    expect((await bytesOf('a/one')).equals(blob.bytes)).toBe(true);
    const head = await clients.s3.send(
      new HeadObjectCommand({ Bucket: bucket.name, Key: 'a/one', ChecksumMode: 'ENABLED' }),
    );
    expect(head.Metadata).toEqual({ sha256: blob.sha256 });
    expect(head.ChecksumSHA256 ?? head.ChecksumCRC32).toMatch(/^[\w+/]+=*(-3)?$/);
  });

  it.each<[string, Fault]>([
    ['a server error', { kind: 'status', status: 500, code: 'InternalError' }],
    ['a request to slow down', { kind: 'status', status: 503, code: 'SlowDown' }],
    ['a dropped connection', { kind: 'drop' }],
    ['an answer that is cut off', { kind: 'cut' }],
    ['no answer in time', { kind: 'timeout' }],
  ])(
    'arrives whole after %s to each first request',
    async (_, fault) => {
      aws.inject(({ count }) => (count === 1 ? fault : null));
      await ensureBucket(clients.s3, bucket);
      await putOnce(clients.s3, bucket, 'a/one', blob);
      aws.inject(() => null);
      expect((await bytesOf('a/one')).equals(blob.bytes)).toBe(true);
      expect((await clients.s3.send(new ListMultipartUploadsCommand({ Bucket: bucket.name }))).Uploads ?? []).toEqual(
        [],
      );
    },
    60_000,
  );

  it('is a UserError where S3 fails for good, and goes up the next time', async () => {
    await ensureBucket(clients.s3, bucket);
    aws.inject(({ operation }) =>
      /PutObject|UploadPart/.test(operation) ? { kind: 'status', status: 500, code: 'InternalError' } : null,
    );
    await expect(putOnce(clients.s3, bucket, 'a/one', blob)).rejects.toMatchObject({
      name: 'UserError',
      message: "can't send a/one: AWS failed with 500 (InternalError)",
      hint: expect.stringContaining('again'),
    });
    aws.inject(() => null);
    expect(await putOnce(clients.s3, bucket, 'a/one', blob)).toBe('sent');
    expect((await bytesOf('a/one')).equals(blob.bytes)).toBe(true);
    expect((await clients.s3.send(new ListMultipartUploadsCommand({ Bucket: bucket.name }))).Uploads ?? []).toEqual([]);
  }, 60_000);
});

it('stops when it is interrupted, and leaves no parts behind', async () => {
  await ensureBucket(clients.s3, bucket);
  const stop = new AbortController();
  aws.inject(({ operation }) => {
    if (operation === 'UploadPart') stop.abort();
    return null;
  });
  await expect(putOnce(clients.s3, bucket, 'a/one', large, { signal: stop.signal })).rejects.toMatchObject({
    name: 'Interrupted',
  });
  expect(aws.buckets.get('artifacts')!.objects.size).toBe(0);
  await expect
    .poll(async () => (await clients.s3.send(new ListMultipartUploadsCommand({ Bucket: bucket.name }))).Uploads ?? [])
    .toEqual([]);
});

it('does not take another object under its key for its own', async () => {
  await ensureBucket(clients.s3, bucket);
  await clients.s3.send(new PutObjectCommand({ Bucket: bucket.name, Key: 'a/one', Body: 'something else' }));
  await expect(putOnce(clients.s3, bucket, 'a/one', small)).rejects.toThrow(
    'artifacts/a/one has 14 bytes instead of 100000',
  );
});

it('deletes what is under a name, and nothing beside it', async () => {
  await ensureBucket(clients.s3, bucket);
  for (const key of ['cats/1', 'cats/2', 'cats-2/1']) await putOnce(clients.s3, bucket, key, small);
  expect(await deleteUnder(clients.s3, bucket, 'cats/')).toBe(2);
  expect([...aws.buckets.get('artifacts')!.objects.keys()]).toEqual(['cats-2/1']);
  expect(await deleteUnder(clients.s3, { ...bucket, name: 'no-such-bucket' }, 'cats/')).toBe(0);
});

describe('what AWS refuses is told in words', () => {
  const asked = (): Promise<unknown> => createClients(undefined, 500);

  it('wrong credentials', async () => {
    process.env.AWS_SECRET_ACCESS_KEY = 'not-the-secret';
    const error = await asked().catch((reason: unknown) => reason as Error & { hint: string });
    expect(error).toMatchObject({
      name: 'UserError',
      message: expect.stringContaining('AWS does not accept the credentials'),
      hint: expect.stringContaining('AWS_PROFILE'),
    });
    expect(`${(error as Error).message}${(error as { hint: string }).hint}`).not.toContain('not-the-secret');
  });

  it('no credentials, no region', async () => {
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) delete process.env[name];
    Object.assign(process.env, {
      AWS_EC2_METADATA_DISABLED: 'true',
      HOME: '/nonexistent',
      AWS_CONFIG_FILE: '/nonexistent',
      AWS_SHARED_CREDENTIALS_FILE: '/nonexistent',
    });
    await expect(asked()).rejects.toMatchObject({ message: expect.stringContaining('no AWS credentials were found') });
    delete process.env.AWS_REGION;
    await expect(asked()).rejects.toMatchObject({
      message: 'no AWS region is given',
      hint: expect.stringContaining('--region'),
    });
  });

  it('nobody there', async () => {
    process.env.AWS_ENDPOINT_URL = 'http://127.0.0.1:9';
    await expect(asked()).rejects.toMatchObject({
      message: expect.stringContaining('AWS did not answer'),
      hint: expect.stringContaining('AWS_ENDPOINT_URL'),
    });
  });

  it("a bucket that is somebody else's", async () => {
    aws.inject(({ operation }) =>
      operation === 'HeadBucket' ? { kind: 'status', status: 403, code: 'AccessDenied' } : null,
    );
    await expect(ensureBucket(clients.s3, bucket)).rejects.toMatchObject({
      message: expect.stringContaining('belongs to another account'),
      hint: expect.stringContaining('--bucket'),
    });
  });
});
