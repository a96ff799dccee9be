/** What the model is, what it costs and what compression kept of it. */
import { scoreOf } from '../artifact/problem-type.ts';
import type { ModelInfo } from '../http/classifier.ts';
import { bar, element, part } from './dom.ts';
import { amount, metric, percent } from './format.ts';

const INPUTS = { 'image-classification': 'Picture', 'text-classification': 'Text' } as const;
const PROBLEMS = {
  single_label_classification: ['classifier', 'labels'],
  multi_label_classification: ['tagger', 'labels, any number at once'],
  regression: ['regression', 'numbers'],
} as const;
const METRIC_NAMES = { accuracy: 'Accuracy', microF1: 'Micro F1', pearson: 'Pearson correlation' } as const;
const ARCHITECTURES: Readonly<Record<string, string>> = {
  vit: 'ViT',
  deit: 'DeiT',
  bert: 'BERT',
  distilbert: 'DistilBERT',
  roberta: 'RoBERTa',
};
const STAGES: Readonly<Record<string, string>> = { teacher: 'Teacher', 'pc-lora': 'PC-LoRA' };

/** So many labels are shown at once; more are folded away. */
const OPEN_LABELS = 12;

/** Fills in the card and shows it; names the document, too. */
export function showModelCard(model: ModelInfo): void {
  document.title = `${model.name} · Slim`;
  part('name', HTMLElement).textContent = model.name;
  part('summary', HTMLElement).textContent = summaryOf(model);
  part('facts', HTMLElement).replaceChildren(...factsOf(model));
  part('stages', HTMLElement).replaceChildren(...model.accuracy.map(stageRow));
  part('accuracy', HTMLElement).hidden = model.accuracy.length === 0;
  const last = model.accuracy.at(-1);
  if (last) nameMetric(METRIC_NAMES[scoreOf(last).metric]);
  part('labels', HTMLElement).replaceChildren(labelsOf(model.labels));
  part('card', HTMLElement).hidden = false;
}

function summaryOf({ task, problemType, architecture, labels }: ModelInfo): string {
  const [does, of] = PROBLEMS[problemType];
  const counted = labels.length === 1 ? '1 number' : `${labels.length} ${of}`;
  return `${INPUTS[task]} ${does} · ${ARCHITECTURES[architecture] ?? architecture} · ${counted}`;
}

function factsOf({ task, parameters, macs, bytes, precision, rank, teacher, accuracy }: ModelInfo): Node[] {
  const last = accuracy.at(-1);
  return [
    fact('Parameters', metric(parameters), teacher ? saving(parameters, teacher.parameters, 'fewer', '') : []),
    fact(
      task === 'image-classification' ? 'Computation per picture' : 'Computation per longest text',
      metric(macs, 'MAC'),
      [...(teacher ? saving(macs, teacher.macs, 'less', 'MAC') : []), remark('1 MAC = 2 FLOPs')],
    ),
    fact('Size', metric(bytes, 'B'), [remark(`${precision} weights${rank === null ? '' : `, rank ${rank}`}`)]),
    ...(last
      ? [
          fact(METRIC_NAMES[scoreOf(last).metric], shown(last), [
            remark(`on ${last.samples.toLocaleString('en')} samples`),
          ]),
        ]
      : []),
  ];
}

function fact(name: string, value: string, remarks: readonly Node[]): HTMLElement {
  return element('div', 'pane', element('dt', '', name), element('dd', 'value', value), ...remarks);
}

function remark(...content: readonly (Node | string)[]): HTMLElement {
  return element('dd', 'quiet', ...content);
}

/** How much less than before compression, as a bar and in words. */
function saving(count: number, before: number, fewer: 'fewer' | 'less', unit: string): Node[] {
  const left = count / before;
  return left < 1
    ? [remark(bar(left), `${percent(1 - left)} ${fewer} than its teacher’s ${metric(before, unit)}`)]
    : [remark(`its teacher has ${metric(before, unit)}`)];
}

function nameMetric(name: string): void {
  part('metric', HTMLElement).textContent = name;
  part('stages-title', HTMLElement).textContent = `${name} after each stage`;
}

/** A correlation is no share. */
function shown(score: ModelInfo['accuracy'][number]): string {
  const { metric: name, value } = scoreOf(score);
  if (value === null) return 'undefined';
  return name === 'pearson' ? amount(value) : percent(value);
}

function stageRow(score: ModelInfo['accuracy'][number]): HTMLTableRowElement {
  const { stage, samples } = score;
  const name = element('th', '', STAGES[stage] ?? stage);
  name.scope = 'row';
  return element('tr', '', name, element('td', '', shown(score)), element('td', '', samples.toLocaleString('en')));
}

function labelsOf(labels: readonly string[]): HTMLElement {
  const list = element('ul', 'labels', ...labels.map((label) => element('li', '', label)));
  list.setAttribute('role', 'list');
  return labels.length <= OPEN_LABELS
    ? list
    : element('details', '', element('summary', '', `Show all ${labels.length.toLocaleString('en')}`), list);
}
