/** How each subject was made: what is known of it, and the commands. */

import { counted, someOf } from '../io/words.ts';
import { taskOf } from '../models/task.ts';
import { type Content, type Html, html } from './html.ts';
import { methodOf } from './stages.ts';
import { configured, type Subject } from './subject.ts';
import { cells, factList, scrolling } from './table.ts';

/** The commands that made a subject, in their order, as far as its record tells. */
export type Commands = readonly string[];

/** Facts, commands and the whole configuration of all subjects, beside each other where there are several. */
export function provenanceSection(subjects: readonly (readonly [Subject, Commands])[]): Html {
  const all = subjects.map(([subject]) => subject);
  // A quantized run was made by the commands of the run that it was made of, and one more.
  const commands = [...new Set(subjects.flatMap(([, made]) => made))];
  return html`<section aria-labelledby="provenance"><h2 id="provenance">How it was made</h2>
${all.length === 1 ? factList(factsOf(all[0])) : compared('Facts', 'Fact', all, all.map(factsOf))}
${commands.length === 0 ? null : html`<pre tabindex="0" role="region" aria-label="Commands"><code>${commands.join('\n')}</code></pre>`}
${configurations(all)}</section>`;
}

function configurations(subjects: readonly Subject[]): Html | null {
  const entries = subjects.map(({ configuration }) =>
    Object.entries(configuration).map(([name, value]) => [name, html`<code>${JSON.stringify(value)}</code>`] as const),
  );
  if (entries.every(({ length }) => length === 0)) return null;
  return html`<details><summary>Configuration</summary>${compared('Configuration', 'Setting', subjects, entries)}</details>`;
}

type Facts = readonly (readonly [name: string, value: Content])[];

/** A row for what is said of any, a column for each subject. */
function compared(title: string, what: string, subjects: readonly Subject[], facts: readonly Facts[]): Html {
  const names = [...new Set(facts.flatMap((some) => some.map(([name]) => name)))];
  const values = facts.map((some) => new Map(some));
  return scrolling(
    title,
    html`<div class="words">${cells(
      [what, ...subjects.map(({ name }) => name)],
      names.map((name) => [name, ...values.map((byName) => byName.get(name) ?? '')]),
    )}</div>`,
  );
}

const MODALITY: Readonly<Record<string, string>> = { image: 'pictures', text: 'texts' };

function factsOf(subject: Subject): Facts {
  const { record, source, architecture, labels, problemType, description, configuration } = subject;
  const data = configured(subject, 'data');
  const takes = description === null ? '' : ` of ${MODALITY[description.preprocessing.kind]}`;
  return [
    ['Began with', source],
    ...(architecture === null ? [] : [['Architecture', architecture] as const]),
    ['Task', `${taskOf(problemType)}${takes}`],
    ...(labels.length === 0 ? [] : [['Labels', `${counted(labels.length, 'label')}: ${someOf(labels, 12)}`] as const]),
    ['Method', subject.quantized === null ? methodOf(subject) : `${methodOf(subject)}; ${subject.quantized}`],
    ...(typeof configuration.recipe === 'string' ? [['Recipe', recipeOf(configuration)] as const] : []),
    ...(data === null ? [] : [['Data', data] as const]),
    ...(record === null || record.steps.total === 0
      ? []
      : [['Steps', `${record.steps.done} of ${record.steps.total}, ${record.status}`] as const]),
  ];
}

/** `default: svd start, linear schedule, λ = 0 after 30 % of the steps` */
function recipeOf({ recipe, init, schedule, decayEnd }: Readonly<Record<string, unknown>>): string {
  const parts = [
    ...(typeof init === 'string' ? [`start ${init}`] : []),
    ...(typeof schedule === 'string' ? [`${schedule} schedule`] : []),
    ...(typeof decayEnd === 'number' ? [`λ = 0 after ${Math.round(100 * decayEnd)} % of the steps`] : []),
  ];
  return `${String(recipe)}${parts.length === 0 ? '' : `: ${parts.join(', ')}`}`;
}
