/** Cells as JSON and as texts, whatever format they come from. */
import { WrittenNumber } from '../data/text/written-numbers.ts';

/** Numbers that JSON has no word for are these texts. */
export const NOT_FINITE: readonly unknown[] = ['NaN', 'Infinity', '-Infinity'];

/**
 * JSON without line breaks. Numbers are whole, however many digits they have; those that are not finite are texts, dates
 * ISO 8601, bytes base64.
 */
export function toJson(value: unknown): string {
  if (value instanceof WrittenNumber) return value.text;
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number') return Number.isFinite(value) ? numberText(value) : `"${value}"`;
  if (typeof value !== 'object' || value === null || value instanceof Date) return JSON.stringify(value) ?? 'null';
  if (value instanceof Uint8Array) return JSON.stringify(Buffer.from(value).toString('base64'));
  if (Array.isArray(value)) return `[${value.map(toJson).join(',')}]`;
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${toJson(field)}`).join(',')}}`;
}

/** A cell as a text, for formats that have nothing else: an empty one where there is none. */
export function toText(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'string') return value;
  if (value instanceof Date) return value.toJSON() ?? '';
  if (typeof value === 'number') return numberText(value);
  return typeof value === 'object' ? toJson(value) : String(value);
}

function numberText(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value);
}
