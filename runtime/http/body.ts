import { Problem } from './problem.ts';

/** The bytes that the bodies of all requests may take together, so that many that come slowly don't fill the memory. */
export interface BodyBudget {
  /** Throws Problem 503 where there are not so many left. */
  take(bytes: number): void;
  give(bytes: number): void;
}

export function createBodyBudget(bytes: number): BodyBudget {
  let left = bytes;
  return {
    take(wanted) {
      if (wanted > left) throw new Problem(503, 'too many requests are being received: try again later', 'busy', { 'retry-after': '1' });
      left -= wanted;
    },
    give(bytes) {
      left += bytes;
    },
  };
}

const NO_LIMIT: BodyBudget = { take: () => undefined, give: () => undefined };

/**
 * Reads a body, and refuses one as soon as it is known to be too long: by its header, or while it comes.
 * The budget has its bytes back when reading has ended; what is made of them is bounded by how many requests are answered at a time.
 * Throws Problem 413 and 503.
 */
export async function readBody({ headers, body }: Request, maxBytes: number, budget = NO_LIMIT): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const refuseAbove = (length: number): void => {
    if (length > maxBytes) throw new Problem(413, `the body is larger than ${maxBytes} bytes`);
  };
  refuseAbove(Number(headers.get('content-length')));
  let length = 0;
  let taken = 0;
  try {
    for await (const part of body ?? []) {
      refuseAbove((length += part.length));
      budget.take(part.length);
      taken = length;
      parts.push(part);
    }
    return new Uint8Array(await new Blob(parts).arrayBuffer());
  } finally {
    budget.give(taken);
  }
}
