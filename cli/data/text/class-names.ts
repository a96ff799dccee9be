/** What a cell calls a class: one name for what people write in several ways. */

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
/** A number that is written with a point: 007 may be a name, 7.0 is 7. */
const POINTED = /^[^.]*\.[^.]*$/;

/** Whether a text is a finite number. */
export function isNumber(text: string): boolean {
  return NUMBER.test(text) && Number.isFinite(Number(text));
}

/**
 * A class by what a cell says: `True` is true, `1.0` is 1, all else is its own name. Null where the cell is empty, or
 * holds a number with a fraction, which measures rather than names.
 */
export function classNamed(cell: string): string | null {
  const name = cell.trim();
  if (/^(true|false)$/i.test(name)) return name.toLowerCase();
  if (!isNumber(name) || !POINTED.test(name)) return name || null;
  const value = Number(name);
  return Number.isSafeInteger(value) ? String(value + 0) : null;
}

/** Whether a text is a number with a fraction. */
export function isFraction(text: string): boolean {
  return isNumber(text) && !Number.isInteger(Number(text));
}

/** Whether a text is a number as spreadsheets of many countries write it, 3,5. */
export function hasDecimalComma(text: string): boolean {
  return /^[+-]?\d*,\d+$/.test(text);
}

/** A name without what people write now so, now so: case, spaces and marks between words. */
export function folded(name: string): string {
  return name
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[\s_-]+/g, ' ')
    .trim();
}

const TWINS: Readonly<Record<string, string>> = { true: '1', false: '0', '1': 'true', '0': 'false' };

/** The known class that a name stands for: itself, or 1 for true and true for 1; null where it is none of them. */
export function knownClass(name: string, known: ReadonlySet<string>): string | null {
  if (known.has(name)) return name;
  const twin = Object.hasOwn(TWINS, name) ? TWINS[name] : null;
  return twin !== null && known.has(twin) ? twin : null;
}

/** The classes that are left where true and 1, or false and 0, are one: the number stays. */
export function withoutTwins(names: ReadonlySet<string>): ReadonlySet<string> {
  const left = new Set(names);
  for (const name of ['true', 'false']) if (left.has(TWINS[name])) left.delete(name);
  return left;
}
