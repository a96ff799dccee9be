import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { readInRanges } from './ranges.ts';

/**
 * Reads an artifact from S3 in parallel ranges, with the role of the function. What was read is checked by its digest
 * later, as every artifact is.
 */
export function readFromS3(bucket: string, key: string, bytes: number): Promise<Uint8Array> {
  const client = new S3Client({ forcePathStyle: process.env.AWS_ENDPOINT_URL !== undefined });
  return readInRanges(bytes, async (first, last) => {
    const { Body } = await client.send(
      new GetObjectCommand({ Bucket: bucket, Key: key, Range: `bytes=${first}-${last}` }),
    );
    return Body!.transformToByteArray();
  });
}
