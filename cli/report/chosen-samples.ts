/** A few samples of a data set, as a data set of their own. */
import type { Dataset, PictureDataset } from '../data/dataset.ts';
import type { TextDataset, TextRow } from '../data/text/dataset.ts';

/** So many samples of the test part, spread over it evenly, as the test part. The same data gives the same samples. */
export async function chosenSamples(data: Dataset, count: number): Promise<Dataset> {
  const { size } = data.test;
  const chosen = Math.min(count, size);
  const rows = Array.from({ length: chosen }, (_, i) => Math.floor(((i + 0.5) * size) / chosen));
  return data.kind === 'image' ? pictures(data, rows) : texts(data, rows);
}

function pictures(data: PictureDataset, rows: readonly number[]): PictureDataset {
  const { test } = data;
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

async function texts(data: TextDataset, rows: readonly number[]): Promise<TextDataset> {
  const wanted = new Set(rows);
  const found: TextRow[] = [];
  let row = 0;
  for await (const one of data.test.rows()) if (wanted.has(row++)) found.push(one);
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
