import type { ModelInfo, Prediction } from '../http/classifier.ts';
import type { TimedAnswer } from './client.ts';
import { bar, element } from './dom.ts';
import { amount, duration, percent } from './format.ts';

/** An answer, likeliest label first; or its numbers. */
export function predictionList(
  { predictions, truncated, latencyMs }: TimedAnswer,
  roundTripMs: number,
  problemType: ModelInfo['problemType'],
): Node[] {
  const row = problemType === 'regression' ? numberRow : predictionRow;
  const list = element('ol', 'predictions', ...predictions.map(row));
  list.setAttribute('role', 'list'); // Safari hears none where the markers are off
  const times = element('p', 'quiet', `${duration(latencyMs)} on the server · ${duration(roundTripMs)} round trip`);
  return truncated
    ? [list, element('p', 'note', 'The text is longer than the model reads: its end was left out.'), times]
    : [list, times];
}

function numberRow({ label, score }: Prediction): HTMLLIElement {
  return element('li', '', element('span', 'label', label), ' ', element('span', 'score', amount(score)));
}

function predictionRow({ label, score }: Prediction): HTMLLIElement {
  return element('li', '', element('span', 'label', label), ' ', element('span', 'score', percent(score)), bar(score));
}
