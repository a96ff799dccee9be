import { Problem } from './problem.ts';

/** The bytes that the bodies of all requests may take together, so that many that come slowly don't fill the memory. */
export interface BodyBudget {
  /** Throws Problem 503 where there are not so many left. */
  take(bytes: number): void;
  give(bytes: number): void;
}

/** A budget of so many bytes, for this process or isolate. */
export function createBodyBudget(bytes: number): BodyBudget {
  let left = bytes;
  return {
    take(wanted) {
      if (wanted > left)
        throw new Problem(503, 'too many requests are being received: try again later', 'busy', { 'retry-after': '1' });
      left -= wanted;
    },
    give(bytes) {
      left += bytes;
    },
  };
}

/** The budget of a host that keeps none. */
export const NO_LIMIT: BodyBudget = { take: () => undefined, give: () => undefined };

/**
 * A client reads the refusal of a body once it has sent it. Of one that is too long, so many times the limit are read
 * on and thrown away for that.
 */
const LINGER = 4;

/**
 * Reads a body, keeps no more of it than the limit, and refuses one that is longer: at its end, or at once where it is
 * much longer, by its header or while it comes. The budget has its bytes back when reading has ended; what is made of
 * them is bounded by how many requests are answered at a time. Throws Problem 413, 499 and 503.
 */
export async function readBody(
  { headers, body }: Request,
  maxBytes: number,
  budget = NO_LIMIT,
): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const refuseAbove = (most: number, length: number): void => {
    if (length > most) throw new Problem(413, `the body is larger than ${maxBytes} bytes`);
  };
  const lingering = maxBytes * (1 + LINGER);
  refuseAbove(lingering, Number(headers.get('content-length')));
  let length = 0;
  let taken = 0;
  try {
    for await (const part of body ?? []) {
      refuseAbove(lingering, (length += part.length));
      if (length > maxBytes) continue;
      budget.take(part.length);
      taken = length;
      parts.push(part);
    }
    refuseAbove(maxBytes, length);
    return new Uint8Array(await new Blob(parts).arrayBuffer());
  } catch (error) {
    // Only the client can have ended what it sends.
    throw error instanceof Problem ? error : new Problem(499, 'the client left');
  } finally {
    budget.give(taken);
  }
}
