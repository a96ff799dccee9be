/** Which name another is likely to stand for: a proposal, never an answer. */
import { folded } from '../data/text/class-names.ts';

/** The nearest of some names: another number, a beginning, or few letters apart; null where none is near. */
export function nearestName(name: string, among: readonly string[]): string | null {
  const wanted = folded(name);
  let best: { readonly candidate: string; readonly distance: number } | null = null;
  for (const candidate of among) {
    // ImageNet's names are lists: tench, Tinca tinca.
    const distance = Math.min(...[candidate, ...candidate.split(',')].map((one) => distanceOf(wanted, folded(one))));
    if (distance <= wanted.length / 3 && (best === null || distance < best.distance)) best = { candidate, distance };
  }
  return best?.candidate ?? null;
}

/** A beginning of three letters says more than the letters that it lacks. */
const BEGINNING = 3;

function distanceOf(a: string, b: string): number {
  if (a !== '' && b !== '' && Number(a) === Number(b)) return 0;
  const [short, long] = a.length < b.length ? [a, b] : [b, a];
  if (short.length >= BEGINNING && long.startsWith(short)) return 0.5;
  return editDistance(a, b);
}

/** Letters that are added, taken away or changed (Levenshtein 1966). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    row = next;
  }
  return row[b.length];
}
