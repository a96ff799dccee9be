/** One connection to S3 gives some 90 MB/s, a function's network several times that. */
const RANGE_BYTES = 8 * 1024 ** 2;
const PARALLEL = 8;
const ATTEMPTS = 3;

/**
 * Reads `bytes` bytes in ranges, several at a time. `read` gets the first and the last byte of a range, as HTTP counts
 * them. A range that fails or comes short is read again, three times in all.
 * @throws what `read` threw last, or Error where it came short
 */
export async function readInRanges(
  bytes: number,
  read: (first: number, last: number) => Promise<Uint8Array>,
  rangeBytes = RANGE_BYTES,
): Promise<Uint8Array> {
  const whole = new Uint8Array(bytes);
  const starts = Array.from({ length: Math.ceil(bytes / rangeBytes) }, (_, i) => i * rangeBytes);
  const worker = async (): Promise<void> => {
    for (let first = starts.shift(); first !== undefined; first = starts.shift()) {
      whole.set(await readRange(first, Math.min(first + rangeBytes, bytes) - 1, read), first);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  return whole;
}

async function readRange(
  first: number,
  last: number,
  read: (first: number, last: number) => Promise<Uint8Array>,
): Promise<Uint8Array> {
  for (let attempt = 1; ; attempt++) {
    try {
      const part = await read(first, last);
      if (part.length !== last - first + 1)
        throw new Error(`bytes ${first} to ${last}: expected ${last - first + 1}, got ${part.length}`);
      return part;
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
    }
  }
}
