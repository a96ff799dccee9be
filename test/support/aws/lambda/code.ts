/** A function's code: a zip file. */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { unzipSync } from 'fflate';
import { AwsError } from '../message.ts';
import type { Buckets } from '../s3/state.ts';

export interface FunctionCode {
  readonly zip: Buffer;
  /** In base64. */
  readonly sha256: string;
}

const MAX_UNZIPPED_BYTES = 262_144_000;

/** Fetches code as Lambda does. Throws an AwsError where it is not there, no zip file or too large. */
export function codeFromS3(buckets: Buckets, bucketName: string, key: string): FunctionCode {
  const bucket = buckets.get(bucketName);
  if (bucket === undefined) throw getObjectError('NoSuchBucket', 'The specified bucket does not exist');
  const object = bucket.objects.get(key);
  if (object === undefined) throw getObjectError('NoSuchKey', 'The specified key does not exist.');
  if (unzippedBytes(object.data) > MAX_UNZIPPED_BYTES)
    throw invalidParameter(`Unzipped size must be smaller than ${MAX_UNZIPPED_BYTES} bytes`);
  return { zip: object.data, sha256: createHash('sha256').update(object.data).digest('base64') };
}

function getObjectError(code: string, message: string): AwsError {
  return invalidParameter(`Error occurred while GetObject. S3 Error Code: ${code}. S3 Error Message: ${message}`);
}

export function invalidParameter(message: string): AwsError {
  return new AwsError(400, 'InvalidParameterValueException', message);
}

function unzippedBytes(zip: Buffer): number {
  let bytes = 0;
  try {
    unzipSync(zip, {
      filter: ({ originalSize }) => {
        bytes += originalSize;
        return false;
      },
    });
  } catch {
    throw invalidParameter('Could not unzip uploaded file. Please check your file, then try to upload again.');
  }
  return bytes;
}

/** Unpacks code into a new temporary folder, which the caller removes. */
export function unpack({ zip }: FunctionCode): string {
  const folder = mkdtempSync(join(tmpdir(), 'slim-function-'));
  for (const [name, content] of Object.entries(unzipSync(zip))) {
    if (name.endsWith('/')) continue;
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}
