/** Lists in forms of the Query protocol: `Tags.member.1.Key=a&Tags.member.1.Value=b`. */

/** The items of a list of records. */
export function recordsIn<Name extends string>(form: URLSearchParams, list: string): Partial<Record<Name, string>>[] {
  const records: Partial<Record<string, string>>[] = [];
  for (const [name, value] of form) {
    const [, index, field] = new RegExp(`^${list}\\.member\\.(\\d+)\\.(.+)$`).exec(name) ?? [];
    if (field !== undefined) (records[Number(index) - 1] ??= {})[field] = value;
  }
  return records;
}

/** The items of a list of texts. */
export function textsIn(form: URLSearchParams, list: string): string[] {
  return [...form].filter(([name]) => name.startsWith(`${list}.member.`)).map(([, value]) => value);
}

/** A page of a list, from where the token says: few items, so that clients have to ask for more. */
export function pageOf<T>(
  items: readonly T[],
  token: string | null,
): { readonly page: readonly T[]; readonly NextToken: string | undefined } {
  const start = Number(token ?? 0);
  const end = start + 3;
  return { page: items.slice(start, end), NextToken: end < items.length ? String(end) : undefined };
}
