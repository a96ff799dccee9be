/**
 * The address that a request is counted by: the socket's, or the last one in X-Forwarded-For where a proxy of ours adds
 * that.
 */
export function clientOf(
  { headers }: Request,
  socketAddress: string | undefined,
  trustProxy: boolean,
): string | undefined {
  const forwarded = trustProxy ? headers.get('x-forwarded-for')?.split(',').at(-1)?.trim() : undefined;
  return forwarded || socketAddress;
}
