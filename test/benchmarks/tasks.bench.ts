/**
 * A multi-label and a regression model, from their data to an answer over HTTP: fine-tuned from MiniLM-L6, compressed,
 * packed in int8, judged after each step. The texts are SST-2's sentences; what is to be said of them is SST-2's in part
 * (whether they praise), and counted in them in part:
 * - any number of labels: praise, long (20 words and more), contrast (but, yet, ...), plot, acting;
 * - a number of a pair: a sentence, and itself with words of another in the place of some; five times the share that
 *   stayed, from 0 to 5 as STS-B's.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, vi } from 'vitest';
import { random } from '../../runtime/random.ts';
import { start } from '../support/process.ts';
import { itWith, shared } from '../support/shared.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

vi.setConfig({ testTimeout: 3_600_000 });

const [base, data] = [shared('models/minilm-l6-384'), shared('data/sst2')];
const scratch = temporaryFolder();

async function slim(...args: readonly string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await start([...args, '--json']).exit;
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as Record<string, unknown>;
}

/** The most sentences of a part; the training part has 6,920. */
const SENTENCES = Number(process.env.SLIM_BENCH_SENTENCES ?? 7000);

/** Sentences of a part, and whether each praises. */
function sentences(part: string): { readonly text: string; readonly praises: boolean }[] {
  const [, ...lines] = readFileSync(join(data.path(), `${part}.tsv`), 'utf8')
    .trimEnd()
    .split('\n');
  return lines.slice(0, SENTENCES).map((line) => {
    const [text, label] = line.split('\t');
    return { text, praises: label === '1' };
  });
}

const WORDS: Readonly<Record<string, RegExp>> = {
  contrast: /\b(but|yet|though|although|however|despite|while)\b/,
  plot: /\b(plot|story|script|narrative|tale|storytelling|screenplay)\b/,
  acting: /\b(acting|actors?|actress|performances?|cast|performers?|plays?|role)\b/,
};

/** Lines of JSON with a list of labels. */
const labelled = (part: string): string =>
  sentences(part)
    .map(({ text, praises }) => {
      const words = Object.entries(WORDS).flatMap(([label, pattern]) => (pattern.test(text) ? [label] : []));
      const long = text.split(' ').length >= 20 ? ['long'] : [];
      return `${JSON.stringify({ text, labels: [...(praises ? ['praise'] : []), ...long, ...words] })}\n`;
    })
    .join('');

/** Rows of CSV with two texts and a number. */
function pairs(part: string): string {
  const all = sentences(part);
  const source = random(part.length);
  const rows = all.map(({ text }) => {
    const words = text.split(' ');
    const others = all[source.below(all.length)].text.split(' ');
    const share = source.uniform();
    const changed = words.map((word) => (source.uniform() < share ? word : others[source.below(others.length)]));
    const stayed = changed.filter((word, i) => word === words[i]).length / words.length;
    return `"${text}","${changed.join(' ')}",${(5 * stayed).toFixed(3)}`;
  });
  return `sentence1,sentence2,score\n${rows.join('\n')}\n`;
}

itWith([base, data], 'models of several labels and of numbers', async () => {
  const tasks = [
    { name: 'labels', write: labelled, type: 'jsonl', body: { inputs: 'the plot is thin , but the cast is superb' } },
    {
      name: 'numbers',
      write: pairs,
      type: 'csv',
      body: { inputs: { text: 'a warm film', text_pair: 'a warm and funny film' } },
    },
  ];
  for (const { name, write, type, body } of tasks.filter((task) =>
    [undefined, task.name].includes(process.env.SLIM_BENCH_TASK),
  )) {
    const at = (file: string): string => join(scratch, `${name}-${file}`);
    for (const part of ['train', 'test']) writeFileSync(at(`${part}.${type}`), write(part));
    const [trainData, testData] = [at(`train.${type}`), at(`test.${type}`)];
    const training = ['--data', trainData, '--max-tokens', '64', '--batch-size', '32'];
    const judged = async (model: string): Promise<void> => {
      const { metrics: _, ...score } = await slim('evaluate', model, '--data', testData);
      console.log(name, model.replace(scratch, ''), JSON.stringify(score));
    };
    await slim(
      'finetune',
      '--model',
      base.path(),
      ...training,
      '--epochs',
      '3',
      '--learning-rate',
      '1e-4',
      '--out',
      at('teacher'),
    );
    await judged(at('teacher'));
    await slim(
      'train',
      '--model',
      at('teacher'),
      ...training,
      '--rank',
      '26',
      '--epochs',
      '5',
      '--learning-rate',
      '1e-3',
      '--init',
      'activation',
      '--decay-end',
      '0.5',
      '--out',
      at('small'),
    );
    await judged(at('small'));
    await slim('quantize', at('small'), '--out', at('int8'));
    await slim('pack', at('int8'), '--out', at('model.slim'));
    await judged(at('model.slim'));
    const server = start(['serve', at('model.slim'), '--port', '0', '--log', 'none']);
    const [url] = await server.saw(/http:\/\/127\.0\.0\.1:\d+/);
    const answer = await fetch(`${url}/v1/predict`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    console.log(name, 'over HTTP', await answer.text());
    server.child.kill('SIGTERM');
    expect((await server.exit).code).toBe(0);
  }
});
