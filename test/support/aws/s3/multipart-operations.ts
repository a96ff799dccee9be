/** Objects uploaded in parts. */
import { createHash, randomUUID } from 'node:crypto';
import { AwsError, type AwsResponse } from '../message.ts';
import { parseXml } from '../xml.ts';
import { type S3Call, type S3Operation, xmlResponse } from './call.ts';
import { CHECKSUM_ALGORITHMS, type ChecksumAlgorithm, checksumOf, compositeChecksum } from './checksums.ts';
import { checksumElements, storedHeaders } from './object-headers.ts';
import { checkWrite, etagOf, type MultipartUpload, type Part, putObject } from './state.ts';
import { uploadBody, verifiedChecksums } from './upload-body.ts';

export const multipartOperations: readonly S3Operation[] = [
  { name: 'CreateMultipartUpload', method: 'POST', on: 'object', mark: 'uploads', action: 's3:PutObject', run: create },
  { name: 'UploadPart', method: 'PUT', on: 'object', mark: 'uploadId', action: 's3:PutObject', run: uploadPart },
  {
    name: 'CompleteMultipartUpload',
    method: 'POST',
    on: 'object',
    mark: 'uploadId',
    action: 's3:PutObject',
    run: complete,
  },
  {
    name: 'AbortMultipartUpload',
    method: 'DELETE',
    on: 'object',
    mark: 'uploadId',
    action: 's3:AbortMultipartUpload',
    run: abort,
  },
  {
    name: 'ListParts',
    method: 'GET',
    on: 'object',
    mark: 'uploadId',
    action: 's3:ListMultipartUploadParts',
    run: listParts,
  },
  {
    name: 'ListMultipartUploads',
    method: 'GET',
    on: 'bucket',
    mark: 'uploads',
    action: 's3:ListBucketMultipartUploads',
    run: listUploads,
  },
];

const MIN_PART_BYTES = 5 * 1024 * 1024;

function create({ bucket, key, request }: S3Call): AwsResponse {
  const { headers } = request;
  const algorithm = (headers['x-amz-checksum-algorithm']?.toLowerCase() ?? 'crc64nvme') as ChecksumAlgorithm;
  const checksumType = (headers['x-amz-checksum-type'] ??
    (algorithm === 'crc64nvme' ? 'FULL_OBJECT' : 'COMPOSITE')) as MultipartUpload['checksumType'];
  const uploadId = randomUUID();
  bucket.uploads.set(uploadId, {
    key,
    initiated: new Date(),
    headers: storedHeaders(request),
    algorithm,
    checksumType,
    parts: new Map(),
  });
  return xmlResponse(
    'InitiateMultipartUploadResult',
    { Bucket: bucket.name, Key: key, UploadId: uploadId },
    {
      'x-amz-checksum-algorithm': algorithm.toUpperCase(),
      'x-amz-checksum-type': checksumType,
    },
  );
}

function uploadPart(call: S3Call): AwsResponse {
  const { algorithm, parts } = uploadOf(call);
  const { data } = uploadBody(call.request);
  const part: Part = { data, etag: etagOf(data), checksum: checksumOf(algorithm, data), lastModified: new Date() };
  parts.set(Number(call.request.query.get('partNumber')), part);
  return { status: 200, headers: { etag: part.etag, [`x-amz-checksum-${algorithm}`]: part.checksum } };
}

function complete(call: S3Call): AwsResponse {
  const { bucket, key, request } = call;
  const upload = uploadOf(call);
  const parts = namedParts(upload, request.body.toString());
  checkWrite(bucket, key, request.headers);
  const data = Buffer.concat(parts.map((part) => part.data));
  if (upload.checksumType === 'FULL_OBJECT') verifiedChecksums(data, request.headers);
  const checksum =
    upload.checksumType === 'FULL_OBJECT'
      ? checksumOf(upload.algorithm, data)
      : compositeChecksum(
          upload.algorithm,
          parts.map((part) => part.checksum),
        );
  const { checksums, etag } = putObject(bucket, key, data, {
    headers: upload.headers,
    checksums: { [upload.algorithm]: checksum },
    checksumType: upload.checksumType,
    etag: multipartEtag(parts),
    parts: parts.length,
  });
  bucket.uploads.delete(request.query.get('uploadId')!);
  return xmlResponse('CompleteMultipartUploadResult', {
    Bucket: bucket.name,
    Key: key,
    ETag: etag,
    ...checksumElements(checksums),
    ChecksumType: upload.checksumType,
  });
}

/**
 * The parts that the client lists. Throws an AwsError where the list is not in order, or tells of parts that are not
 * there as it knows them.
 */
function namedParts({ parts }: MultipartUpload, body: string): Part[] {
  const listed = (parseXml(body).children.Part ?? []).map(({ children }) => ({
    number: Number(children.PartNumber[0].text),
    children,
  }));
  if (listed.length === 0 || listed.some(({ number }, i) => i > 0 && number <= listed[i - 1].number)) {
    throw new AwsError(
      400,
      'InvalidPartOrder',
      'The list of parts was not in ascending order. The parts list must be specified in order by part number.',
    );
  }
  const found = listed.map(({ number, children }) => {
    const part = parts.get(number);
    const checksums = CHECKSUM_ALGORITHMS.flatMap((algorithm) => children[`Checksum${algorithm.toUpperCase()}`] ?? []);
    if (
      part === undefined ||
      part.etag.replaceAll('"', '') !== children.ETag[0].text.replaceAll('"', '') ||
      checksums.some(({ text }) => text !== part.checksum)
    ) {
      throw new AwsError(
        400,
        'InvalidPart',
        'One or more of the specified parts could not be found. The part may not have been uploaded, ' +
          "or the specified entity tag may not match the part's entity tag.",
      );
    }
    return part;
  });
  if (found.slice(0, -1).some(({ data }) => data.length < MIN_PART_BYTES)) {
    throw new AwsError(400, 'EntityTooSmall', 'Your proposed upload is smaller than the minimum allowed size');
  }
  return found;
}

/** The MD5 of the parts' MD5s, and how many they are. */
function multipartEtag(parts: readonly Part[]): string {
  const digests = parts.map(({ etag }) => Buffer.from(etag.slice(1, -1), 'hex'));
  return `"${createHash('md5').update(Buffer.concat(digests)).digest('hex')}-${parts.length}"`;
}

function abort(call: S3Call): AwsResponse {
  uploadOf(call);
  call.bucket.uploads.delete(call.request.query.get('uploadId')!);
  return { status: 204 };
}

function listParts(call: S3Call): AwsResponse {
  const parts = [...uploadOf(call).parts].sort(([a], [b]) => a - b);
  return xmlResponse('ListPartsResult', {
    Bucket: call.bucket.name,
    Key: call.key,
    IsTruncated: false,
    Part: parts.map(([number, { etag, data, lastModified }]) => ({
      PartNumber: number,
      ETag: etag,
      Size: data.length,
      LastModified: lastModified,
    })),
  });
}

function listUploads({ bucket, request: { query } }: S3Call): AwsResponse {
  const uploads = [...bucket.uploads].filter(([, { key }]) => key.startsWith(query.get('prefix') ?? ''));
  return xmlResponse('ListMultipartUploadsResult', {
    Bucket: bucket.name,
    IsTruncated: false,
    Upload: uploads.map(([uploadId, { key, initiated }]) => ({ Key: key, UploadId: uploadId, Initiated: initiated })),
  });
}

function uploadOf({ bucket, key, request }: S3Call): MultipartUpload {
  const upload = bucket.uploads.get(request.query.get('uploadId')!);
  if (upload === undefined || upload.key !== key) {
    throw new AwsError(
      404,
      'NoSuchUpload',
      'The specified upload does not exist. The upload ID may be invalid, ' +
        'or the upload may have been aborted or completed.',
    );
  }
  return upload;
}
