/** Clients whose requests are counted at a time; the one not heard of for longest is forgotten first. */
const MAX_CLIENTS = 10_000;

interface Bucket {
  tokens: number;
  filledAt: number;
}

/**
 * A token bucket for each client: `perMinute` requests at once, and then as fast as they come back. Counts are those of
 * this process or isolate. Returns how many seconds the client has to wait; 0 where its request is admitted.
 */
export function createRateLimit(
  perMinute: number,
  nowMs: () => number = () => performance.now(),
): (client: string) => number {
  const buckets = new Map<string, Bucket>();
  const perMs = perMinute / 60_000;
  return (client) => {
    const now = nowMs();
    const { tokens, filledAt } = buckets.get(client) ?? { tokens: perMinute, filledAt: now };
    const filled = Math.min(perMinute, tokens + (now - filledAt) * perMs);
    const admitted = filled >= 1;
    buckets.delete(client); // so that the map stays in the order of the last request
    buckets.set(client, { tokens: admitted ? filled - 1 : filled, filledAt: now });
    if (buckets.size > MAX_CLIENTS) buckets.delete(buckets.keys().next().value as string);
    return admitted ? 0 : Math.ceil((1 - filled) / perMs / 1000);
  };
}
