/** A few samples of a data set, as a data set of their own. */
import type { Dataset, PictureDataset } from '../data/dataset.ts';
import type { Target } from '../data/target.ts';
import type { TextDataset, TextRow } from '../data/text/dataset.ts';

/** So many samples of the test part, as the test part: classes take turns. The same data gives the same samples. */
export function chosenSamples(data: Dataset, count: number): Promise<Dataset> {
  return data.kind === 'image' ? pictures(data, count) : texts(data, count);
}

/**
 * Places of so many samples: the first of each class, then the second ..., of classes that are spread over all where there
 * are more than places; where a sample has no single class, places that are spread evenly. (Even places would not do for
 * classes: where these repeat every tenth sample, all would be of two.)
 */
export function chosenRows(targets: readonly Target[], count: number): number[] {
  const byClass = new Map<number, number[]>();
  for (const [row, target] of targets.entries()) {
    if (typeof target !== 'number') return spread(targets.length, count);
    const rows = byClass.get(target);
    if (rows === undefined) byClass.set(target, [row]);
    else rows.push(row);
  }
  const classes = [...byClass].sort(([a], [b]) => a - b).map(([, rows]) => rows);
  const shown = spread(classes.length, count).map((at) => classes[at]);
  const chosen: number[] = [];
  for (let turn = 0; chosen.length < Math.min(count, targets.length); turn++)
    chosen.push(...shown.flatMap((rows) => rows.slice(turn, turn + 1)));
  return chosen.slice(0, count);
}

/** So many of the numbers below `size`, or all. */
function spread(size: number, count: number): number[] {
  const chosen = Math.min(count, size);
  return Array.from({ length: chosen }, (_, i) => Math.floor(((i + 0.5) * size) / chosen));
}

async function pictures(data: PictureDataset, count: number): Promise<PictureDataset> {
  const { test } = data;
  const rows = chosenRows(
    Array.from({ length: test.size }, (_, i) => test.label(i)),
    count,
  );
  return {
    ...data,
    test: {
      size: rows.length,
      label: (i) => test.label(rows[i]),
      source: (i) => test.source(rows[i]),
      picture: (i) => test.picture(rows[i]),
    },
  };
}

/** Reads all twice: which are chosen is known when all classes are. */
async function texts(data: TextDataset, count: number): Promise<TextDataset> {
  const targets: Target[] = [];
  for await (const { label } of data.test.rows()) targets.push(label);
  const rows = chosenRows(targets, count);
  const places = new Map(rows.map((row, place) => [row, place]));
  const found: TextRow[] = new Array(rows.length);
  let row = 0;
  for await (const one of data.test.rows()) {
    const place = places.get(row++);
    if (place !== undefined) found[place] = one;
  }
  return {
    ...data,
    test: {
      size: found.length,
      counts: null,
      async *rows() {
        yield* found;
      },
    },
  };
}
