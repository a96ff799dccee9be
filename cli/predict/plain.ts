/** Cells as JSON holds them, whatever format they come from. */
import type { Cells } from './row.ts';

/** A line of JSON. Of what JSON has no word for: dates are ISO 8601, whole numbers beyond 2^53 texts, bytes base64. */
export function toJson(cells: Cells): string {
  return JSON.stringify(cells, (_, value: unknown) => {
    if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
    if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
    return value;
  });
}

/** A cell as a text, for formats that have nothing else: an empty one where there is none. */
export function toText(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'string') return value;
  if (value instanceof Date) return value.toJSON() ?? '';
  return typeof value === 'object' ? toJson({ value }).slice('{"value":'.length, -1) : String(value);
}
