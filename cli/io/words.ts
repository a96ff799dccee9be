/** Small things of grammar that messages share. */

/** The word for so many: row, but rows of none or of several. The number is the caller's to write. */
export function plural(count: number, one: string, many = `${one}s`): string {
  return count === 1 ? one : many;
}

/** 1 row · 2 rows */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${plural(count, one, many)}`;
}

/** The first of some names, and how many there are beside them. */
export function someOf(names: readonly string[], most = 5): string {
  return `${names.slice(0, most).join(', ')}${names.length > most ? ` and ${names.length - most} more` : ''}`;
}

/** A name that fits where there is little room. */
export function shortened(name: string, most = 32): string {
  return name.length > most ? `${name.slice(0, most - 1)}…` : name;
}

/** Accuracy */
export function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
