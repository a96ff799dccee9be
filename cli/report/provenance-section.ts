/** How each subject was made: what is known of it, and the commands. */

import { counted, someOf } from '../io/words.ts';
import { taskOf } from '../models/task.ts';
import { fades } from '../pclora/method.ts';
import { FADING_FLAGS, type Modality, RECIPES, type Recipe, type RecipeName } from '../pclora/recipe.ts';
import { type Content, type Html, html } from './html.ts';
import { methodOf } from './stages.ts';
import { configured, methodIn, type Subject } from './subject.ts';
import { cells, factList, scrolling } from './table.ts';

/** The commands that made a subject, in their order, as far as its record tells. */
export type Commands = readonly string[];

/** Facts, commands and the whole configuration of all subjects, beside each other where there are several. */
export function provenanceSection(subjects: readonly (readonly [Subject, Commands])[]): Html {
  const all = subjects.map(([subject]) => subject);
  // A quantized run was made by the commands of the run that it was made of, and one more.
  const commands = inOrder([...new Set(subjects.flatMap(([, made]) => made))]);
  return html`<section aria-labelledby="provenance"><h2 id="provenance">How it was made</h2>
${all.length === 1 ? factList(factsOf(all[0])) : compared('Facts', 'Fact', all, all.map(factsOf))}
${commands.length === 0 ? null : html`<pre tabindex="0" role="region" aria-label="Commands"><code>${commands.join('\n')}</code></pre>`}
${configurations(all)}</section>`;
}

/** What each needs is made before it. */
const ORDER = ['finetune', 'train', 'quantize', 'pack'];

/** So that they run one after another, whichever model was given first. */
export function inOrder(commands: Commands): Commands {
  const place = (command: string): number => ORDER.indexOf(command.split(' ', 2)[1]);
  return [...commands].sort((a, b) => place(a) - place(b));
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

/** How a setting of a recipe is told. */
const SETTINGS: Readonly<Record<keyof Recipe, (value: unknown) => string>> = {
  init: (start) => `start ${start}`,
  schedule: (name) => `${name} schedule`,
  decayStart: (from) => `λ = 1 for ${share(from)} of the steps`,
  decayEnd: (end) => `λ = 0 after ${share(end)} of the steps`,
  decayOrder: (order) => `decay order ${order}`,
  alpha: (weight) => `α ${weight}`,
  logitLoss: (weight) => `logit loss ${weight}`,
  temperature: (value) => `temperature ${value}`,
  relationLoss: (weight) => `relation loss ${weight}`,
};
/** What is told of any recipe. */
const MAIN: readonly (keyof Recipe)[] = ['init', 'schedule', 'decayEnd'];

function share(value: unknown): string {
  return `${Math.round(100 * Number(value))} %`;
}

/** What the model reads, as far as its configuration tells: texts have a length, pictures are changed at random. */
function modalityOf(configuration: Subject['configuration']): Modality | null {
  if (configuration.maxTokens !== undefined) return 'text';
  return configuration.augment === undefined ? null : 'image';
}

/**
 * `default: start svd, linear schedule, λ = 0 after 30 % of the steps`, or `default, except: sine schedule` where that
 * differs. Methods without a fall of λ have no schedule.
 */
export function recipeOf(configuration: Subject['configuration']): string {
  const modality = modalityOf(configuration);
  const name = Object.keys(RECIPES).find((one): one is RecipeName => one === configuration.recipe);
  const isFading = fades(methodIn({ configuration }));
  const known = (Object.keys(SETTINGS) as (keyof Recipe)[]).filter(
    (setting) => configuration[setting] !== undefined && (isFading || !Object.hasOwn(FADING_FLAGS, setting)),
  );
  const told = (settings: readonly (keyof Recipe)[]): string =>
    settings.map((setting) => SETTINGS[setting](configuration[setting])).join(', ');
  const main = told(known.filter((setting) => MAIN.includes(setting)));
  // Of which modality's it is is not known: then its name would say nothing.
  if (name === undefined || modality === null) return main;
  const other = known.filter((setting) => configuration[setting] !== RECIPES[name][modality][setting]);
  if (other.length > 0) return `${name}, except: ${told(other)}`;
  return main === '' ? name : `${name}: ${main}`;
}
