/** Hostile changes to any JSON document, whatever it holds: a place is drawn, and what happens there. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** A change, as fast-check draws it: numbers that choose, so that it can be repeated and made smaller. */
export interface Mutation {
  /** Which of the document's places. */
  readonly where: number;
  /** Which of the changes that fit what is there. */
  readonly how: number;
  /** Which of the change's values. */
  readonly which: number;
}

/** A value's place in the value that holds it. */
interface Place {
  readonly holder: Json[] | { [name: string]: Json };
  readonly key: string | number;
}

const HOSTILE_NUMBERS = [
  0,
  -0,
  -1,
  1,
  0.5,
  2,
  3,
  16,
  255,
  256,
  4096,
  65_535,
  65_536,
  1e6,
  2 ** 24,
  2 ** 24 + 1,
  2 ** 28,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 16,
  2 ** 32,
  2 ** 32 + 16,
  2 ** 52,
  2 ** 53 - 1,
  2 ** 53,
  1e21,
  1e308,
  -1e308,
  5e-324,
  -16,
  -(2 ** 31),
  -(2 ** 53),
];
const HOSTILE_STRINGS = [
  '',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  '__metadata__',
  'slim',
  'F32',
  'I8',
  'I32',
  '\u0000',
  '\ud800',
  'x'.repeat(10_000),
];
const HOSTILE_VALUES: readonly Json[] = [
  null,
  true,
  false,
  0,
  1,
  -1,
  '',
  'x',
  [],
  {},
  [[]],
  [0],
  [null],
  { op: 'add' },
];

/** Changes a document in place. Documents without a place stay as they are. */
export function mutate(document: Json, { where, how, which }: Mutation): void {
  const places = placesIn(document);
  if (places.length === 0) return;
  const place = places[where % places.length];
  const changes = changesOf(place, document);
  changes[how % changes.length](which);
}

/** Replaces every number that equals a drawn one, so that a lie is told the same everywhere. */
export function mutateEverywhere(documents: readonly Json[], { where, how, which }: Mutation): void {
  const places = documents
    .flatMap((document) => placesIn(document))
    .filter((place) => typeof valueAt(place) === 'number');
  const numbers = [...new Set(places.map(valueAt))] as number[];
  const old = numbers[where % numbers.length];
  const options = [
    old + 1,
    old - 1,
    old * 2,
    old * 16,
    old * 256,
    Math.floor(old / 2),
    old + 16,
    old + 4,
    ...HOSTILE_NUMBERS,
  ];
  const changed = options[(how + which) % options.length];
  for (const place of places) if (valueAt(place) === old) set(place, changed);
}

/**
 * Multiplies one of a plan's small numbers, wherever it stands, and with it all that may be an offset or the arena's
 * size: what was apart stays apart, so that such a plan is often valid, and heavy.
 */
export function grow(plan: Json, { where, how }: Mutation): void {
  const places = placesIn(plan).filter((place) => typeof valueAt(place) === 'number');
  const isOffset = (value: number): boolean => value % 16 === 0 && value >= 256;
  const sizes = [
    ...new Set(
      places.map((place) => valueAt(place) as number).filter((value) => Number.isInteger(value) && !isOffset(value)),
    ),
  ];
  const size = sizes[where % sizes.length];
  const factor = 2 ** (how % 14);
  for (const place of places) {
    const value = valueAt(place) as number;
    if (value === size || isOffset(value)) set(place, value * factor);
  }
}

function placesIn(document: Json, found: Place[] = []): Place[] {
  if (typeof document !== 'object' || document === null) return found;
  for (const key of Array.isArray(document) ? document.keys() : Object.keys(document)) {
    const place: Place = { holder: document, key };
    found.push(place);
    placesIn(valueAt(place), found);
  }
  return found;
}

function changesOf(place: Place, document: Json): ((which: number) => void)[] {
  const value = valueAt(place);
  const always = [
    () => remove(place),
    (which: number) => set(place, structuredClone(HOSTILE_VALUES[which % HOSTILE_VALUES.length])),
    (which: number) => addBeside(place, which),
  ];
  if (typeof value === 'number') return [...numberChanges(place, value, document), ...always];
  if (typeof value === 'string') return [...stringChanges(place, document), ...always];
  return Array.isArray(value) ? [...listChanges(value), ...always] : always;
}

/** Most are near what is there, or another of the document's numbers: those get further than the absurd. */
function numberChanges(place: Place, value: number, document: Json): ((which: number) => void)[] {
  const near = [
    value + 1,
    value - 1,
    value + 4,
    value + 16,
    value - 16,
    value * 2,
    value * 16,
    Math.floor(value / 2),
    -value,
    value + 0.5,
  ];
  return [
    (which) => set(place, near[which % near.length]),
    (which) => set(place, another(document, 'number', which) ?? 0),
    (which) => set(place, HOSTILE_NUMBERS[which % HOSTILE_NUMBERS.length]),
    (which) => set(place, 16 * (which % 4096)),
  ];
}

function stringChanges(place: Place, document: Json): ((which: number) => void)[] {
  return [
    (which) => set(place, another(document, 'string', which) ?? ''),
    (which) => set(place, HOSTILE_STRINGS[which % HOSTILE_STRINGS.length]),
  ];
}

function listChanges(list: Json[]): ((which: number) => void)[] {
  if (list.length === 0) return [(which) => list.push(which)];
  return [
    (which) => list.splice(which % list.length, 1),
    (which) => list.splice(which % list.length, 0, structuredClone(list[(which >> 8) % list.length])),
    (which) => swap(list, which % list.length, (which >> 8) % list.length),
    (which) => list.splice(0, list.length, ...rotated(list, which % list.length)),
    () => list.reverse(),
    (which) => list.splice(which % list.length),
    (which) => {
      while (list.length < which % 12_000) list.push(...structuredClone(list.slice(0, 1000)));
    },
  ];
}

function another(document: Json, type: 'number' | 'string', which: number): Json | undefined {
  const values = placesIn(document)
    .map(valueAt)
    .filter((value) => typeof value === type);
  return values[which % values.length];
}

function rotated(list: readonly Json[], by: number): Json[] {
  return [...list.slice(by), ...list.slice(0, by)];
}

function swap(list: Json[], a: number, b: number): void {
  [list[a], list[b]] = [list[b], list[a]];
}

function valueAt({ holder, key }: Place): Json {
  return (holder as Record<string | number, Json>)[key];
}

/** Not by assignment, which `__proto__` would not survive. */
function set({ holder, key }: Place, value: Json): void {
  Object.defineProperty(holder, key, { value, writable: true, enumerable: true, configurable: true });
}

function remove({ holder, key }: Place): void {
  if (Array.isArray(holder)) holder.splice(key as number, 1);
  else delete holder[key];
}

function addBeside({ holder }: Place, which: number): void {
  const value = structuredClone(HOSTILE_VALUES[which % HOSTILE_VALUES.length]);
  if (Array.isArray(holder)) holder.push(value);
  else set({ holder, key: HOSTILE_STRINGS[(which >> 8) % HOSTILE_STRINGS.length] }, value);
}
