/** Where teacher and student look, picture by picture or text by text. */
import { percent } from '../io/units.ts';
import { shortened } from '../io/words.ts';
import type { Word } from '../text/pieces.ts';
import { type Html, html } from './html.ts';
import type { Thumbnail } from './pictures.ts';
import { image } from './quality-section.ts';

/** What is looked at, and how each model looks at it. */
export interface LookedAt {
  readonly label: string;
  readonly picture?: Thumbnail;
  readonly looks: readonly ShownLook[];
}

/** One model's look at a sample. */
export interface ShownLook {
  readonly model: string;
  /** What it answers, where it answers with one label. */
  readonly answer: { readonly label: string; readonly score: number } | null;
  readonly maps: readonly ShownMap[];
}

/** A weight for each patch, or word. */
export interface ShownMap {
  readonly name: string;
  readonly weights: readonly number[];
  /** Of a picture: what is put over it. */
  readonly veil?: string;
  /** Of a text: what the weights are of. */
  readonly words?: readonly Word[];
  /** How it correlates with the first model's; null of that itself, and where one of them does not vary. */
  readonly agreement: number | null;
}

/** Words of a text that are shown. */
const MOST_WORDS = 160;

/** null where nothing was looked at. `unseen` are the models that are left out, and why. */
export function attentionSection(samples: readonly LookedAt[], unseen: readonly string[]): Html | null {
  if (samples.length === 0) return null;
  const isPictures = samples[0].picture !== undefined;
  return html`<section aria-labelledby="attention"><h2 id="attention">Where they look</h2>
<p class="quiet">Attention rollout (Abnar & Zuidema 2020) follows attention through all blocks to what the head reads; the
last block’s attention is the mean of its heads. ${
    isPictures ? 'What is looked at is bright.' : 'The stronger the colour, the more a word is looked at.'
  } r is the correlation with the first model’s map.</p>${
    unseen.length === 0
      ? null
      : html`
<p class="quiet">Left out: ${unseen.join('; ')}.</p>`
  }
<div class="${isPictures ? 'looks' : 'looks texts'}">${samples.map(isPictures ? pictureLooks : textLooks)}</div></section>`;
}

function pictureLooks({ label, picture, looks }: LookedAt): Html {
  return html`<article><div class="model"><h3>${shortened(label)}</h3><figure>${image(picture!, shortened(label))}
<figcaption>as they see it</figcaption></figure></div>${looks.map(
    ({ model, answer, maps }) =>
      html`<div class="model"><p>${model}<small>${answered(answer)}</small></p>${maps.map(
        ({ name, veil, agreement }) =>
          html`<figure><span class="veiled">${image(picture!, '')}<img src="${veil!}" alt="${name} of ${model}"></span>
<figcaption>${name}${agreed(agreement)}</figcaption></figure>`,
      )}</div>`,
  )}</article>`;
}

function textLooks({ label, looks }: LookedAt): Html {
  return html`<article><h3>${shortened(label)}</h3>${looks.map(
    ({ model, answer, maps }) =>
      html`<div class="model"><p>${model}<small>${answered(answer)}</small></p>${maps.map(
        ({ name, words, weights, agreement }) =>
          html`<figure><figcaption>${name}${agreed(agreement)}</figcaption><p>${wordsIn(words!, weights)}</p></figure>`,
      )}</div>`,
  )}</article>`;
}

/** The word that is looked at most has all of the colour. */
function wordsIn(words: readonly Word[], weights: readonly number[]): Html[] {
  const most = Math.max(...weights);
  const shown = words.slice(0, MOST_WORDS).map(({ text }, i) => {
    const heat = most === 0 ? 0 : Math.round((100 * weights[i]) / most);
    return html`<span class="word" style="--heat:${heat}%">${shortened(text)}</span> `;
  });
  return words.length > shown.length ? [...shown, html`…`] : shown;
}

function answered(answer: ShownLook['answer']): string {
  return answer === null ? '' : `${shortened(answer.label)}, ${percent(answer.score, 1)} sure`;
}

function agreed(agreement: number | null): string {
  return agreement === null ? '' : ` · r ${agreement.toFixed(2)}`;
}
