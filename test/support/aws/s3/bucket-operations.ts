/** Buckets: made, secured, listed and emptied. */
import { allows } from '../identity.ts';
import { AwsError, type AwsResponse } from '../message.ts';
import { parseXml } from '../xml.ts';
import { objectArn, type S3Call, type S3Operation, xmlResponse } from './call.ts';
import { type Bucket, newBucket } from './state.ts';
import { uploadBody } from './upload-body.ts';

export const bucketOperations: readonly S3Operation[] = [
  {
    name: 'PutPublicAccessBlock',
    method: 'PUT',
    on: 'bucket',
    mark: 'publicAccessBlock',
    action: 's3:PutBucketPublicAccessBlock',
    run: blockPublicAccess,
  },
  {
    name: 'PutBucketVersioning',
    method: 'PUT',
    on: 'bucket',
    mark: 'versioning',
    action: 's3:PutBucketVersioning',
    run: setVersioning,
  },
  { name: 'CreateBucket', method: 'PUT', on: 'bucket', action: 's3:CreateBucket', run: create },
  {
    name: 'HeadBucket',
    method: 'HEAD',
    on: 'bucket',
    action: 's3:ListBucket',
    run: ({ bucket }) => ({ status: 200, headers: { 'x-amz-bucket-region': bucket.region } }),
  },
  { name: 'ListObjectsV2', method: 'GET', on: 'bucket', mark: 'list-type', action: 's3:ListBucket', run: list },
  { name: 'DeleteObjects', method: 'POST', on: 'bucket', mark: 'delete', action: null, run: deleteObjects },
];

/** As AWS does: whoever makes a bucket again is told so, but for us-east-1, where that has always been fine. */
function create(call: S3Call): AwsResponse {
  const {
    buckets,
    bucketName,
    caller: { identity, region },
    request: { body },
  } = call;
  if (!/^[a-z\d][a-z\d.-]{1,61}[a-z\d]$/.test(bucketName))
    throw new AwsError(400, 'InvalidBucketName', 'The specified bucket is not valid.');
  const asked = body.length === 0 ? 'us-east-1' : parseXml(body.toString()).children.LocationConstraint[0].text;
  if (asked !== region) {
    throw new AwsError(
      400,
      'IllegalLocationConstraintException',
      `The ${asked} location constraint is incompatible for the region specific endpoint this request was sent to.`,
    );
  }
  const existing = buckets.get(bucketName);
  if (existing !== undefined && existing.owner !== identity.account) {
    throw new AwsError(
      409,
      'BucketAlreadyExists',
      'The requested bucket name is not available. The bucket namespace is shared by all users of the system.',
    );
  }
  if (existing !== undefined && region !== 'us-east-1') {
    throw new AwsError(
      409,
      'BucketAlreadyOwnedByYou',
      'Your previous request to create the named bucket succeeded and you already own it.',
    );
  }
  if (existing === undefined) buckets.set(bucketName, newBucket(bucketName, { region, owner: identity.account }));
  return { status: 200, headers: { location: `/${bucketName}` } };
}

function blockPublicAccess({ bucket, request }: S3Call): AwsResponse {
  const { children } = parseXml(uploadBody(request).data.toString());
  bucket.publicAccessBlocked = [
    'BlockPublicAcls',
    'BlockPublicPolicy',
    'IgnorePublicAcls',
    'RestrictPublicBuckets',
  ].every((name) => children[name]?.[0].text === 'true');
  return { status: 200 };
}

function setVersioning({ bucket, request }: S3Call): AwsResponse {
  bucket.versioned = parseXml(uploadBody(request).data.toString()).children.Status[0].text === 'Enabled';
  return { status: 200 };
}

function list({ bucket, request: { query } }: S3Call): AwsResponse {
  const [prefix, delimiter] = [query.get('prefix') ?? '', query.get('delimiter') ?? ''];
  const limit = Number(query.get('max-keys') ?? 1000);
  const after = Buffer.from(query.get('continuation-token') ?? '', 'base64url').toString();
  const entries = listing(bucket, prefix, delimiter).filter((name) => after === '' || name > after);
  const page = entries.slice(0, limit);
  const isTruncated = entries.length > page.length;
  return xmlResponse('ListBucketResult', {
    Name: bucket.name,
    Prefix: prefix,
    KeyCount: page.length,
    MaxKeys: limit,
    IsTruncated: isTruncated,
    NextContinuationToken: isTruncated ? Buffer.from(page.at(-1)!).toString('base64url') : undefined,
    Contents: page
      .filter((name) => bucket.objects.has(name))
      .map((key) => {
        const { lastModified, etag, data } = bucket.objects.get(key)!;
        return { Key: key, LastModified: lastModified, ETag: etag, Size: data.length, StorageClass: 'STANDARD' };
      }),
    CommonPrefixes: page.filter((name) => !bucket.objects.has(name)).map((name) => ({ Prefix: name })),
  });
}

/** Keys under a prefix, in order; those that hold the delimiter after it are told by what they have in common. */
function listing({ objects }: Bucket, prefix: string, delimiter: string): string[] {
  const names = [...objects.keys()]
    .filter((key) => key.startsWith(prefix))
    .map((key) => {
      const end = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
      return end < 0 ? key : key.slice(0, end + delimiter.length);
    });
  return [...new Set(names)].sort();
}

function deleteObjects({ bucket, caller, request }: S3Call): AwsResponse {
  if (!Object.keys(request.headers).some((name) => name === 'content-md5' || name.startsWith('x-amz-checksum-'))) {
    throw new AwsError(400, 'InvalidRequest', 'Missing required header for this request: Content-MD5');
  }
  const { children } = parseXml(uploadBody(request).data.toString());
  const keys = (children.Object ?? []).map((object) => object.children.Key[0].text);
  if (keys.length > 1000)
    throw new AwsError(
      400,
      'MalformedXML',
      'The XML you provided was not well-formed or did not validate against our published schema',
    );
  const allowed = (key: string): boolean => allows(caller.identity, 's3:DeleteObject', objectArn(bucket.name, key));
  const [deleted, denied] = [keys.filter(allowed), keys.filter((key) => !allowed(key))];
  for (const key of deleted) bucket.objects.delete(key);
  return xmlResponse('DeleteResult', {
    Deleted: children.Quiet?.[0].text === 'true' ? [] : deleted.map((key) => ({ Key: key })),
    Error: denied.map((key) => ({ Key: key, Code: 'AccessDenied', Message: 'Access Denied' })),
  });
}
