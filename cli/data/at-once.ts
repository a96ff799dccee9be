/** Files asked for at a time: enough to hide the disk's latency. */
const AT_ONCE = 16;

/** What `job` gives for each item, some of them at a time; the first failure is thrown, and no more are begun. */
export async function mapAtOnce<T, R>(items: readonly T[], job: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = new Array(items.length);
  let next = 0;
  let failed = false;
  const takeRest = async (): Promise<void> => {
    while (next < items.length && !failed) {
      const i = next++;
      try {
        results[i] = await job(items[i]);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, takeRest));
  return results;
}
