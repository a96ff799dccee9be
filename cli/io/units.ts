/** Numbers as people read them. */

/** 94.36 % */
export function percent(fraction: number, digits = 2): string {
  return `${(100 * fraction).toFixed(digits)} %`;
}

/** 85,806,346 */
export function grouped(value: number): string {
  return value.toLocaleString('en-US');
}

/** 21.7 MB · 850 kB */
export function formatBytes(bytes: number): string {
  if (bytes >= 1e6) return `${(bytes / 1e6).toFixed(2)} MB`;
  return bytes >= 1e3 ? `${(bytes / 1e3).toFixed(1)} kB` : `${bytes} B`;
}

/** 17.56 G · 36.2 M */
export function formatMacs(macs: number): string {
  return macs >= 1e9 ? `${(macs / 1e9).toFixed(2)} G` : `${(macs / 1e6).toFixed(2)} M`;
}

/** 94.36 %; of what is not defined, as the precision of a label that no sample has, that. */
export function shareText(value: number | null): string {
  return value === null ? 'undefined' : percent(value);
}

/** 0.8731 */
export function correlationText(value: number | null): string {
  return value === null ? 'undefined' : value.toFixed(4);
}
