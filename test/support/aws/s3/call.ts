/** One call to S3, as its operations see it. */

import type { Caller } from '../front.ts';
import { allows } from '../identity.ts';
import { AwsError, type AwsRequest, type AwsResponse } from '../message.ts';
import { type XmlElements, xmlDocument } from '../xml.ts';
import type { Bucket, Buckets, StoredObject } from './state.ts';

export interface S3Call {
  readonly buckets: Buckets;
  readonly request: AwsRequest;
  readonly caller: Caller;
  readonly bucketName: string;
  /** Empty where the call is to the bucket. */
  readonly key: string;
  /** Throws an AwsError where the bucket is missing or somebody else's. */
  readonly bucket: Bucket;
}

export interface S3Operation {
  /** As the SDK names it. */
  readonly name: string;
  readonly method: string;
  readonly on: 'bucket' | 'object';
  /** The query parameter or header that tells it from others of its method. */
  readonly mark?: string;
  /** What IAM calls it; null where the operation itself asks who may what. */
  readonly action: string | null;
  run(call: S3Call): AwsResponse;
}

export function s3Call(call: Omit<S3Call, 'bucket'>): S3Call {
  return {
    ...call,
    get bucket() {
      return ownBucket(call);
    },
  };
}

function ownBucket({ buckets, bucketName, caller, request }: Omit<S3Call, 'bucket'>): Bucket {
  const bucket = buckets.get(bucketName);
  if (bucket === undefined) throw new AwsError(404, 'NoSuchBucket', 'The specified bucket does not exist');
  const expectedOwner = request.headers['x-amz-expected-bucket-owner'] ?? bucket.owner;
  if (bucket.owner !== caller.identity.account || bucket.owner !== expectedOwner)
    throw new AwsError(403, 'AccessDenied', 'Access Denied');
  return bucket;
}

const NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/';

export function xmlResponse(root: string, content: XmlElements, headers: AwsResponse['headers'] = {}): AwsResponse {
  return {
    status: 200,
    headers: { 'content-type': 'application/xml', ...headers },
    body: xmlDocument(root, content, NAMESPACE),
  };
}

/**
 * Throws an AwsError where the object is missing: to those who may not list the bucket, S3 does not tell that it is.
 */
export function existingObject({ bucket, key, caller }: S3Call): StoredObject {
  const object = bucket.objects.get(key);
  if (object !== undefined) return object;
  if (!allows(caller.identity, 's3:ListBucket', bucketArn(bucket.name)))
    throw new AwsError(403, 'AccessDenied', 'Access Denied');
  throw new AwsError(404, 'NoSuchKey', 'The specified key does not exist.');
}

export function bucketArn(name: string): string {
  return `arn:aws:s3:::${name}`;
}

export function objectArn(bucketName: string, key: string): string {
  return `${bucketArn(bucketName)}/${key}`;
}
