import type { Prediction } from '../http/classifier.ts';
import type { TimedAnswer } from './client.ts';
import { bar, element } from './dom.ts';
import { duration, percent } from './format.ts';

/** An answer, likeliest label first. */
export function predictionList({ predictions, truncated, latencyMs }: TimedAnswer, roundTripMs: number): Node[] {
  const list = element('ol', 'predictions', ...predictions.map(predictionRow));
  list.setAttribute('role', 'list'); // Safari hears none where the markers are off
  const times = element('p', 'quiet', `${duration(latencyMs)} on the server · ${duration(roundTripMs)} round trip`);
  return truncated
    ? [list, element('p', 'note', 'The text is longer than the model reads: its end was left out.'), times]
    : [list, times];
}

function predictionRow({ label, score }: Prediction): HTMLLIElement {
  return element('li', '', element('span', 'label', label), ' ', element('span', 'score', percent(score)), bar(score));
}
