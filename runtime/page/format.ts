/** Numbers as people read them, each with its unit after a space that does not break. */

/** 93.4 %. What is neither nothing nor all is not rounded to it: < 0.1 %, > 99.9 %. */
export function percent(share: number): string {
  if (share > 0 && share < 0.0005) return '<\u00a00.1\u00a0%';
  if (share < 1 && share >= 0.9995) return '>\u00a099.9\u00a0%';
  return `${(100 * share).toFixed(1)}\u00a0%`;
}

/** 0.8731, 1,234, 2.5: four digits that count, and a minus that is one. */
export function amount(value: number): string {
  return value.toLocaleString('en', { maximumSignificantDigits: 4 }).replace('-', '\u2212');
}

const PREFIXES = [
  [1e9, 'G'],
  [1e6, 'M'],
  [1e3, 'k'],
] as const;

/** Three digits and a decimal prefix: 85.8 M, 6.32 MB with the unit B, 17.6 GMAC. */
export function metric(value: number, unit = ''): string {
  const [factor, prefix] = PREFIXES.find(([least]) => value >= least) ?? [1, ''];
  return `${Number((value / factor).toPrecision(3))}\u00a0${prefix}${unit}`.trimEnd();
}

/** 12.3 ms, 1.2 s */
export function duration(ms: number): string {
  return ms < 1000 ? `${ms.toFixed(1)}\u00a0ms` : `${(ms / 1000).toFixed(1)}\u00a0s`;
}
