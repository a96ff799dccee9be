/** Objects written, read, copied and deleted in one piece. */
import type { AwsResponse } from '../message.ts';
import { existingObject, type S3Call, type S3Operation, s3Call, xmlResponse } from './call.ts';
import {
  checksumElements,
  conditionalStatus,
  objectHeaders,
  rangeOf,
  storedHeaders,
  writtenHeaders,
} from './object-headers.ts';
import { checkWrite, putObject } from './state.ts';
import { uploadBody } from './upload-body.ts';

export const objectOperations: readonly S3Operation[] = [
  { name: 'CopyObject', method: 'PUT', on: 'object', mark: 'x-amz-copy-source', action: 's3:PutObject', run: copy },
  { name: 'PutObject', method: 'PUT', on: 'object', action: 's3:PutObject', run: put },
  {
    name: 'GetObjectAttributes',
    method: 'GET',
    on: 'object',
    mark: 'attributes',
    action: 's3:GetObject',
    run: attributes,
  },
  { name: 'GetObject', method: 'GET', on: 'object', action: 's3:GetObject', run: get },
  { name: 'HeadObject', method: 'HEAD', on: 'object', action: 's3:GetObject', run: get },
  { name: 'DeleteObject', method: 'DELETE', on: 'object', action: 's3:DeleteObject', run: remove },
];

function put({ bucket, key, request }: S3Call): AwsResponse {
  const { data, checksums } = uploadBody(request);
  checkWrite(bucket, key, request.headers);
  return {
    status: 200,
    headers: writtenHeaders(putObject(bucket, key, data, { headers: storedHeaders(request), checksums })),
  };
}

/** `/BUCKET/KEY`, with or without the first slash. */
function copy(call: S3Call): AwsResponse {
  const [, bucketName, key] = /^\/?([^/]+)\/(.+)$/s.exec(
    decodeURIComponent(call.request.headers['x-amz-copy-source']!),
  )!;
  const { data, headers, checksums } = existingObject(s3Call({ ...call, bucketName, key }));
  const { etag, lastModified } = putObject(call.bucket, call.key, data, { headers, checksums });
  return xmlResponse('CopyObjectResult', { ETag: etag, LastModified: lastModified });
}

function get(call: S3Call): AwsResponse {
  const { request } = call;
  const object = existingObject(call);
  const headers = objectHeaders(object, request);
  if (conditionalStatus(object, request) === 304) return { status: 304, headers };
  const range = rangeOf(request, object.data.length);
  if (range === null) return { status: 200, headers, body: object.data };
  const { start, end } = range;
  return {
    status: 206,
    headers: { ...headers, 'content-range': `bytes ${start}-${end - 1}/${object.data.length}` },
    body: object.data.subarray(start, end),
  };
}

function attributes(call: S3Call): AwsResponse {
  const { etag, data, checksums, checksumType, parts, lastModified } = existingObject(call);
  const all = {
    ETag: etag.slice(1, -1),
    Checksum: { ...checksumElements(checksums), ChecksumType: checksumType },
    ObjectParts: parts === null ? undefined : { PartsCount: parts },
    ObjectSize: data.length,
    StorageClass: 'STANDARD',
  };
  const asked = call.request.headers['x-amz-object-attributes']!.split(/, */);
  const given = Object.fromEntries(Object.entries(all).filter(([name]) => asked.includes(name)));
  return xmlResponse('GetObjectAttributesResponse', given, { 'last-modified': lastModified.toUTCString() });
}

function remove({ bucket, key }: S3Call): AwsResponse {
  bucket.objects.delete(key);
  return { status: 204 };
}
