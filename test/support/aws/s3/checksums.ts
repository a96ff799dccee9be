/** The checksums that S3 takes and gives, in base64. */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

const HASHES = {
  crc32: (data) => uint32(crc32(data)),
  crc32c: (data) => uint32(crc32c(data)[1]),
  crc64nvme: (data) => Buffer.concat(crc64nvme(data).map(uint32)),
  sha1: (data) => createHash('sha1').update(data).digest(),
  sha256: (data) => createHash('sha256').update(data).digest(),
} satisfies Record<string, (data: Buffer) => Buffer>;

/** In lower case, as in the header `x-amz-checksum-crc32`. */
export type ChecksumAlgorithm = keyof typeof HASHES;
export const CHECKSUM_ALGORITHMS = Object.keys(HASHES) as ChecksumAlgorithm[];

export function checksumOf(algorithm: ChecksumAlgorithm, data: Buffer): string {
  return HASHES[algorithm](data).toString('base64');
}

/** Of an object that was uploaded in parts: the checksum of their checksums, and how many they are. */
export function compositeChecksum(algorithm: ChecksumAlgorithm, parts: readonly string[]): string {
  return `${checksumOf(algorithm, Buffer.concat(parts.map((part) => Buffer.from(part, 'base64'))))}-${parts.length}`;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

const crc32c = reflectedCrc(0, 0x82f63b78);
const crc64nvme = reflectedCrc(0x9a6c9329, 0xac4bc9b5);

/**
 * A reflected cyclic redundancy check of up to 64 bits that starts from ones and ends with their complement. Its
 * polynomial, its state and its result are a high and a low half; a check of 32 bits has no high one.
 */
function reflectedCrc(polynomialHigh: number, polynomialLow: number): (data: Buffer) => [high: number, low: number] {
  const [tableHigh, tableLow] = [new Int32Array(256), new Int32Array(256)];
  for (let byte = 0; byte < 256; byte++) {
    let [high, low] = [0, byte];
    for (let bit = 0; bit < 8; bit++) {
      const odd = low & 1;
      low = (low >>> 1) | (high << 31);
      high >>>= 1;
      if (odd) [high, low] = [high ^ polynomialHigh, low ^ polynomialLow];
    }
    [tableHigh[byte], tableLow[byte]] = [high, low];
  }
  const ones = polynomialHigh === 0 ? 0 : -1;
  return (data) => {
    let [high, low] = [ones, -1];
    for (const byte of data) {
      const entry = (low ^ byte) & 0xff;
      low = ((low >>> 8) | (high << 24)) ^ tableLow[entry];
      high = (high >>> 8) ^ tableHigh[entry];
    }
    return [high ^ ones, ~low];
  };
}
