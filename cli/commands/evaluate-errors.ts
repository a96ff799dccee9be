/** `slim evaluate --errors`: the samples that a model is most wrong about, as a table. */
import type { Dataset } from '../data/dataset.ts';
import type { TextRows } from '../data/text/dataset.ts';
import { csvLines } from '../predict/formats.ts';
import type { WrongAnswer } from '../train/metrics/worst.ts';

/** A wrong answer, and in which part its sample stands. */
export interface WrongSample extends WrongAnswer {
  readonly part: 'train' | 'test';
}

/**
 * CSV with a header: the picture's file, or the text (and its second half), label, predicted, score; worst first, as
 * they come. Texts are read again for it.
 */
export async function errorsCsv(data: Dataset, wrong: readonly WrongSample[]): Promise<string> {
  const inputs = data.kind === 'text' ? await textsOf(data, wrong) : filesOf(data, wrong);
  const hasPair = data.kind === 'text' && inputs.some((cells) => cells.length > 1);
  const names = data.kind === 'image' ? ['file'] : hasPair ? ['text', 'text_pair'] : ['text'];
  const { header, line } = csvLines([...names, 'label', 'predicted', 'score']);
  const rows = wrong.map(({ label, predicted, score }, i) => {
    const input = Object.fromEntries(names.map((name, k) => [name, inputs[i][k]]));
    return line({ ...input, label, predicted, score: score.toFixed(6) });
  });
  return header + rows.join('');
}

function filesOf(data: Extract<Dataset, { kind: 'image' }>, wrong: readonly WrongSample[]): string[][] {
  // Pictures that are no files are told by their place.
  return wrong.map(({ part, row }) => [data[part].files?.paths[row] ?? `${part} ${row}`]);
}

async function textsOf(
  data: Record<'train' | 'test', TextRows>,
  wrong: readonly WrongSample[],
): Promise<readonly string[][]> {
  const found: string[][] = new Array(wrong.length);
  for (const part of ['train', 'test'] as const) {
    const places = new Map(wrong.flatMap((one, i) => (one.part === part ? [[one.row, i] as const] : [])));
    if (places.size === 0) continue;
    let row = 0;
    for await (const { text, pair } of data[part].rows()) {
      const place = places.get(row++);
      if (place !== undefined) found[place] = pair === null ? [text] : [text, pair];
    }
  }
  return found;
}
