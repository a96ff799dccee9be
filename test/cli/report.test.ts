/** `slim report`: what its page says is what the runs, `slim evaluate` and the files say. */
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  readMetrics,
  readRecord,
  slim,
  slimJson,
  workFolder,
  writePictures,
  writeTinyBert,
  writeTinyModel,
} from '../support/cli.ts';
import { tableIn, textOf } from '../support/html-tables.ts';

const EVIL = ['<img src=x onerror=alert(1)>', `"'&amp;`, 'light'];
const work = workFolder();
afterAll(() => work.remove());
const threads = ['--threads', '1'];
const data = work.path('pets');
const [teacher, student, int8, file] = ['teacher', 'student', 'int8', 'small.slim'].map((name) => work.path(name));

beforeAll(async () => {
  await writeTinyModel(teacher, EVIL);
  await writePictures(data, { labels: EVIL });
  const train = ['train', '--model', teacher, '--data', data, '--rank', '2', '--steps', '10', '--evaluate-every', '5'];
  await slimJson([...train, '--batch-size', '8', '--out', student, '--report', ...threads]);
  await slimJson(['quantize', student, '--data', data, '--out', int8]);
  await slimJson(['pack', int8, '--out', file]);
});

async function pageOf(...args: string[]): Promise<string> {
  const out = work.path('page.html');
  const result = await slimJson(['report', ...args, '--out', out, '--overwrite', ...threads]);
  const page = readFileSync(out, 'utf8');
  expect(result).toEqual({ version: 1, file: out, bytes: Buffer.byteLength(page) });
  return page;
}

/** What a run's weights are, so that two can be told apart. */
function weightsOf(run: string): string {
  const name = existsSync(`${run}/weights.safetensors`) ? 'weights' : 'model';
  return createHash('sha256')
    .update(readFileSync(`${run}/${name}.safetensors`))
    .digest('hex');
}

function commandsIn(page: string): string[] {
  const commands = textOf(/aria-label="Commands"><code>([\s\S]*?)<\/code>/.exec(page)![1]);
  return commands.replaceAll(' \\\n ', '').split('\n');
}

const share = (value: number): string => `${(100 * value).toFixed(2)} %`;

describe('the page of a teacher, a student, and it quantized and packed', () => {
  let page: string;
  beforeAll(async () => {
    page = await pageOf(teacher, student, int8, file);
  });

  it('has them side by side: scores, parameters, MACs, bytes, and what changed', () => {
    const { costs, accuracy } = readRecord(int8) as {
      costs: Record<'teacher' | 'model', { whole: { parameters: number; macs: number } }>;
      accuracy: { stage: string; accuracy: number }[];
    };
    const { teacher: dense, model } = costs;
    const bytes = [
      `${teacher}/model.safetensors`,
      `${student}/weights.safetensors`,
      `${int8}/weights.safetensors`,
      file,
    ].map((path) => statSync(path).size);
    const millions = (macs: number): string => `${(macs / 1e6).toFixed(2)} M`;
    const less = (after: number, before: number): string => {
      const change = `${Math.abs(100 * (after / before - 1)).toFixed(1)} %`;
      return after < before ? `−${change}` : `+${change}`;
    };
    const kept = (at: number): string =>
      `${share(accuracy[at].accuracy)} | ${((100 * accuracy[at].accuracy) / accuracy[0].accuracy).toFixed(1)} % kept`;
    const costsLeft = [
      `${model.whole.parameters.toLocaleString('en-US')} | ${less(model.whole.parameters, dense.whole.parameters)}`,
      `${millions(model.whole.macs)} | ${less(model.whole.macs, dense.whole.macs)}`,
    ];
    const size = (at: number): string => `${(bytes[at] / 1e3).toFixed(1)} kB | ${less(bytes[at], bytes[0])}`;
    expect(accuracy.map(({ stage }) => stage)).toEqual(['teacher', 'pc-lora', 'int8']);
    expect(tableIn(page, 'Models side by side')).toEqual([
      ['Model', 'Accuracy', 'Parameters', 'MACs', 'Bytes'],
      [
        'teacher',
        share(accuracy[0].accuracy),
        dense.whole.parameters.toLocaleString('en-US'),
        millions(dense.whole.macs),
        `${(bytes[0] / 1e3).toFixed(1)} kB`,
      ],
      ['student | PC-LoRA, rank 2', kept(1), ...costsLeft, size(1)],
      ['int8', kept(2), ...costsLeft, size(2)],
      ['small.slim | int8, packed', kept(2), ...costsLeft, size(3)],
    ]);
  });

  it('draws what was logged: a point a step, where λ becomes 0, and the teacher', () => {
    const logged = readMetrics(student).filter(({ loss }) => loss !== undefined);
    const [header, ...rows] = tableIn(page, 'Values of Loss');
    expect(header).toEqual(['step', 'student']);
    expect(rows.map(([step]) => step)).toEqual(logged.map(({ step }) => String(step + 1)));
    for (const [i, { loss }] of logged.entries()) {
      const told = Number(rows[i][1].replace('−', '-').replace('e−', 'e-'));
      expect(Math.abs(told - loss!)).toBeLessThan(Math.max(1e-6, Math.abs(loss!) * 0.06));
    }
    const accuracy = /<svg [^>]*aria-label="Accuracy:[\s\S]*?<\/svg>/.exec(page)![0];
    expect(accuracy.match(/<circle /g)).toHaveLength(2);
    expect(accuracy).toContain('>steps</text>');
    const end = logged.find(({ lambda }) => lambda === 0)!.step + 1;
    const { accuracy: before } = (readRecord(student).accuracy as { accuracy: number }[])[0];
    expect(textOf(/aria-label="([^"]*)"/.exec(accuracy)![1])).toContain(
      `λ = 0 at step ${end}; teacher ${share(before)}.`,
    );
    // From step 1 at the left (46) to step 10 at the right (340).
    expect(accuracy).toContain(`d="M${46 + (294 * (end - 1)) / 9} 14V186"`);
    expect(accuracy.match(/<circle class="c0" cx="([\d.]+)"/g)!.join()).toContain(
      `cx="${(46 + (294 * 4) / 9).toFixed(1)}"`,
    );
  });

  it('says what slim evaluate says, of each', async () => {
    const told = await Promise.all(
      [teacher, student, int8, file].map((path) => slimJson(['evaluate', path, '--data', data, ...threads])),
    );
    const metrics = tableIn(page, 'Metrics');
    expect(metrics[0]).toEqual(['Metric', 'teacher', 'student', 'int8', 'small.slim']);
    expect(metrics[1]).toEqual(['Accuracy', ...told.map(({ accuracy }) => share(accuracy as number))]);
    expect(metrics[4]).toEqual(['Macro F1', ...told.map(({ macroF1 }) => share(macroF1 as number))]);
    const confusion = told[1].confusion as { label: string; predicted: string; samples: number }[];
    const [, ...rows] = tableIn(page, 'Confusion matrix, student');
    const labels = rows.map(([label]) => label);
    for (const [i, row] of rows.entries()) {
      const counts = labels.map((predicted) => {
        const found = confusion.find((one) => one.label === labels[i] && one.predicted === predicted);
        return found === undefined ? '' : String(found.samples);
      });
      expect(row.slice(1)).toEqual(counts);
    }
    const classes = told[1].classes as {
      label: string;
      precision: number;
      recall: number;
      f1: number;
      support: number;
    }[];
    expect(tableIn(page, 'By label, student').slice(1)).toEqual(
      classes.map(({ label, precision, recall, f1, support }) => [
        label,
        share(precision),
        share(recall),
        share(f1),
        String(support),
      ]),
    );
  });

  it('shows the worst errors in the order of --errors, with their pictures', async () => {
    const errors = work.path('errors.csv');
    await slimJson(['evaluate', teacher, '--data', data, '--errors', errors, '--overwrite', ...threads]);
    const [, first] = readFileSync(errors, 'utf8').split('\n');
    const path = first
      .slice(0, first.indexOf('.png') + 4)
      .replace(/^"/, '')
      .replaceAll('""', '"');
    const item = /<ol class="gallery"><li><img src="data:image\/png;base64,([^"]*)"/.exec(page)!;
    const pixels = (input: Buffer | string): Promise<Buffer> => sharp(input).removeAlpha().raw().toBuffer();
    expect((await pixels(Buffer.from(item[1], 'base64'))).equals(await pixels(path))).toBe(true);
  });

  it('lists ranks and costs by layer, which add up to the whole', () => {
    const { costs, compression } = readRecord(student) as {
      costs: Record<'teacher' | 'model', { whole: { parameters: number } }>;
      compression: { ranks: Record<string, number> };
    };
    expect(page).toContain(`Rank 2 in each of the ${Object.keys(compression.ranks).length} adapted layers.`);
    const rows = tableIn(page, 'Layers of student');
    // 16 → 16 at rank 2: A and B of 2·16 each, and a bias; dense 16·16 and the bias. A picture has 4 patches and a class token.
    expect(rows.find(([name]) => name === 'block.1.query')).toEqual([
      ...['block.1.query', '2', '272', '80', '0.00 M', '0.00 M'],
    ]);
    const all = rows[rows.length - 1];
    expect([all[2], all[3]]).toEqual(
      [costs.teacher, costs.model].map(({ whole }) => whole.parameters.toLocaleString('en-US')),
    );
    const sum = rows.slice(1, -1).reduce((total, row) => total + Number(row[3].replaceAll(',', '')), 0);
    expect(sum).toBe(costs.model.whole.parameters);
  });

  it('tells the commands that made it', () => {
    const [train, quantize, pack] = commandsIn(page);
    expect(train).toMatch(new RegExp(`^slim train --model ${teacher} --rank 2 --init svd `));
    for (const flags of ['--steps 10', '--batch-size 8', `--data ${data}`, `--out ${student}`, '--threads 1'])
      expect(train).toContain(flags);
    expect(train).not.toContain('--epochs');
    expect(quantize).toBe(`slim quantize ${student} --data ${data} --out ${int8}`);
    expect(pack).toBe(`slim pack ${int8} --out ${file}`);
  });

  it.each(['svd', 'lora'])('tells commands that run, of --method %s too', async (method) => {
    const run = work.path(method);
    const train = ['train', '--model', teacher, '--data', data, '--method', method, '--rank', '2', '--steps', '2'];
    await slimJson([...train, '--batch-size', '8', '--out', run, ...threads]);
    const [slimWord, ...args] = commandsIn(await pageOf(run, '--no-data'))[0].split(' ');
    expect(slimWord).toBe('slim');
    const weights = weightsOf(run);
    await slimJson([...args, '--overwrite']);
    expect(weightsOf(run)).toBe(weights);
  });

  it('has maps of attention of teacher and student, a pixel a patch', async () => {
    expect([...page.matchAll(/alt="(rollout|last block) of (\w+)"/g)].slice(0, 4).map(([alt]) => alt)).toEqual([
      ...['alt="rollout of teacher"', 'alt="last block of teacher"'],
      ...['alt="rollout of student"', 'alt="last block of student"'],
    ]);
    const veil = /base64,([^"]*)" alt="rollout of student"/.exec(page)![1];
    const { data: rgba, info } = await sharp(Buffer.from(veil, 'base64')).raw().toBuffer({ resolveWithObject: true });
    expect([info.width, info.height, info.channels]).toEqual([2, 2, 4]);
    const alphas = [3, 7, 11, 15].map((at) => rgba[at]);
    expect([Math.min(...alphas), Math.max(...alphas)]).toEqual([0, Math.round(0.82 * 255)]);
  });

  it('is one small file that loads and runs nothing, the same each time', async () => {
    expect(Buffer.byteLength(page)).toBeLessThan(1.5e6);
    expect(page).not.toMatch(/<script|<iframe|<object|<embed|@import|https?:/i);
    expect([...page.matchAll(/ (?:src|href)="(?!data:)[^"]*"/g)]).toEqual([]);
    expect(page).not.toMatch(/url\(/);
    expect(await pageOf(teacher, student, int8, file)).toBe(page);
  });

  it('says names and labels, and obeys none', () => {
    expect(page).toContain('&lt;img src=x onerror=alert(1)&gt;');
    expect(page).toContain('&quot;&#39;&amp;amp;');
    expect(page).not.toContain('<img src=x');
    expect(
      [...page.matchAll(/<img [^>]*>/g)].every(([tag]) => /^<img src="data:image\/(png|jpeg);base64,/.test(tag)),
    ).toBe(true);
  });
});

describe('several models', () => {
  it('made in another working directory are each told of once, with its log', async () => {
    const away = work.path('elsewhere');
    const relative: Readonly<Record<string, string>> = { [teacher]: 'runs/t', [student]: 'runs/s', [int8]: 'runs/q' };
    const copies = [student, int8].map((run) => {
      const copy = `${away}/made/${relative[run]}`;
      cpSync(run, copy, { recursive: true });
      const record = readFileSync(`${run}/run.json`, 'utf8');
      const moved = Object.entries(relative).reduce(
        (text, [path, name]) => text.replaceAll(`"${path}"`, `"${name}"`),
        record,
      );
      writeFileSync(`${copy}/run.json`, moved);
      return copy;
    });
    const page = await pageOf(...copies, '--no-data');
    const [, ...rows] = tableIn(page, 'Models side by side');
    expect(rows.map(([name]) => name)).toEqual(['t | teacher', 's | PC-LoRA, rank 2', 'q | int8']);
    expect(tableIn(await pageOf(copies[1], '--no-data'), 'Models side by side')).toHaveLength(4);
    expect(tableIn(page, 'Values of Loss')[0]).toEqual(['step', 's']);
  });

  it('that differ in their task name their metrics one by one', async () => {
    const regression = work.path('regression');
    cpSync(student, regression, { recursive: true });
    const [before, after] = [0.5, 0.25].map((pearson) => ({ pearson, samples: 8 }));
    const accuracy = [
      { stage: 'teacher', ...before },
      { stage: 'pc-lora', ...after },
    ];
    const other = { problemType: 'regression', accuracy };
    const record = readRecord(student) as { configuration: object };
    const configuration = { ...record.configuration, model: work.path('gone'), out: regression };
    writeFileSync(`${regression}/run.json`, JSON.stringify({ ...record, ...other, configuration }));
    const [header, ...rows] = tableIn(await pageOf(student, regression, '--no-data'), 'Models side by side');
    expect(header[1]).toBe('Score');
    const scores = rows.map(([, score]) => score);
    expect(scores[0]).toMatch(/ % \| accuracy$/);
    expect(scores.slice(2)).toEqual(['0.5000 | Pearson', '0.2500 | Pearson · 50.0 % kept']);
  });

  it('have numbers of the last one above, by its name, and say who does not look', async () => {
    const page = await pageOf(int8, file, student, teacher);
    expect(page).toContain('<h3 class="most">student, beside its teacher teacher</h3>');
    expect(textOf(page)).toContain('Left out: int8 (quantized to int8); small.slim (a .slim file).');
    expect(await pageOf(student)).not.toContain('beside its teacher');
  });
});

describe('a run that has not ended', () => {
  it.each(['running', 'interrupted'])('%s: has the score of its last evaluation', async (status) => {
    const run = work.path(status);
    cpSync(student, run, { recursive: true });
    const record = readRecord(student) as { configuration: object };
    const configuration = { ...record.configuration, out: run };
    writeFileSync(`${run}/run.json`, JSON.stringify({ ...record, configuration, status, accuracy: [] }));
    const evaluated = readMetrics(student).filter(({ accuracy }) => accuracy !== undefined);
    const last = evaluated[evaluated.length - 1] as { step: number; accuracy: number };
    const [header, ...rows] = tableIn(await pageOf(run, '--no-data'), 'Models side by side');
    expect(header[1]).toBe('Accuracy');
    expect(rows.map(([, score]) => score)).toEqual(['–', `${share(last.accuracy)} | at step ${last.step + 1}`]);
  });

  it('has a column named by its task before there is any score', async () => {
    const run = work.path('begun');
    mkdirSync(run);
    writeFileSync(`${run}/run.json`, JSON.stringify({ ...readRecord(student), status: 'running', accuracy: [] }));
    expect(tableIn(await pageOf(run), 'Models side by side')[0][1]).toBe('Accuracy');
  });
});

describe('texts', () => {
  it('stand in the page as texts, and each word has its share of attention', async () => {
    const texts = ['a <script>alert("film")</script> good', 'a \u202Ebad film'];
    await writeTinyBert(work.path('bert'), [...texts, 'a good story'], { labels: ['<b>neg</b>', 'pos'] });
    const lines = texts.flatMap((text) => ['<b>neg</b>', 'pos'].map((label) => JSON.stringify({ text, label })));
    writeFileSync(work.path('reviews.jsonl'), `${lines.join('\n')}\n`);
    const page = await pageOf(work.path('bert'), '--data', work.path('reviews.jsonl'), '--samples', '4');
    expect(page).not.toMatch(/<script|<b>neg|\u202E/);
    // Of two samples that differ in their label alone one is wrong.
    const quotes = [...page.matchAll(/<blockquote>([\s\S]*?)<\/blockquote>/g)].map(([, quote]) => textOf(quote));
    expect(quotes.sort()).toEqual(['a <script>alert("film")</script> good', 'a \uFFFDbad film']);
    const maps = [...page.matchAll(/<figure><figcaption>(.*?)<\/figcaption><p>([\s\S]*?)<\/p><\/figure>/g)];
    expect(maps.map(([, name]) => name)).toEqual(new Array(4).fill(['rollout', 'last block']).flat());
    expect(textOf(maps[0][2].replaceAll('</span>', ' ')).split(/\s+/).join('')).toBe(
      'a<script>alert("film")</script>good',
    );
    for (const [, , words] of maps) {
      const heats = [...words.matchAll(/--heat:(\d+)%/g)].map(([, heat]) => Number(heat));
      expect(Math.max(...heats)).toBe(100);
    }
  });
});

describe('flags', () => {
  const refused = async (args: string[], message: RegExp): Promise<void> => {
    const { code, stderr } = await slim(['report', ...args]);
    expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
  };

  it('refuse a page that is there, a folder, another name, and more than eight', async () => {
    const out = work.path('there.html');
    writeFileSync(out, 'mine');
    await refused([student, '--out', out], /there.html already exists\nhint: .*--overwrite/);
    expect(readFileSync(out, 'utf8')).toBe('mine');
    await refused([student, '--out', work.path('page.pdf')], /ends with .html/);
    mkdirSync(work.path('folder.html'));
    await refused([student, '--out', work.path('folder.html')], /is a folder/);
    await refused([student], /--out is missing/);
    await refused([...Array.from({ length: 9 }, (_, i) => `run${i}`), '--out', out], /at most 8, got 9/);
    await refused([student, '--watch', '--out', out], /--watch.*cannot be used with.*--out/);
  });

  it('--no-data judges nothing; the curves and scores of the run stay', async () => {
    const page = await pageOf(student, '--no-data');
    expect(page).not.toMatch(/<h2 id="(quality|attention)"/);
    expect(tableIn(page, 'Models side by side')).toHaveLength(3);
    expect(page).toContain('aria-label="Loss:');
  });

  it('count what is given twice once', async () => {
    const page = await pageOf(student, `${student}/`, '--no-data');
    expect(page).toContain('<h1>student</h1>');
    expect(page).toBe(await pageOf(student, '--no-data'));
  });

  it('--watch says to start the training first where there is no run', async () => {
    const { code, stderr } = await slim(['report', work.path('later'), '--watch', '--port', '0']);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/later does not exist\nhint: Start the training first/)]);
  });

  it('say that the data is gone where the run remembers some, and fail where it was asked for', async () => {
    renameSync(data, `${data}-moved`);
    try {
      expect(textOf(await pageOf(student))).toContain(`student was not judged: there is no data at ${data}.`);
      const { code } = await slim(['report', student, '--data', data, '--out', work.path('none.html')]);
      expect([code, existsSync(work.path('none.html'))]).toEqual([1, false]);
    } finally {
      renameSync(`${data}-moved`, data);
    }
  });

  it('--report of slim train has left the page in the run, which is no part of its configuration', async () => {
    const page = readFileSync(`${student}/report.html`, 'utf8');
    expect(tableIn(page, 'Models side by side')).toHaveLength(3);
    expect(page).toContain('Right and wrong');
    expect(readRecord(student).configuration).not.toHaveProperty('report');
  });

  it('--watch serves the page of a run that goes on, and tells when there is more, until it is interrupted', async () => {
    const live = work.path('live');
    mkdirSync(live);
    writeFileSync(`${live}/run.json`, JSON.stringify({ ...readRecord(student), status: 'running', accuracy: [] }));
    copyFileSync(`${student}/metrics.jsonl`, `${live}/metrics.jsonl`);
    const interrupt = new AbortController();
    let served = '';
    const ended = slim(['report', live, '--watch', '--port', '0'], {
      signal: interrupt.signal,
      onStdout: (text) => {
        served += text;
      },
    });
    await expect.poll(() => served).toMatch(/^listening on http:\/\/127\.0\.0\.1:\d+\n$/);
    const url = served.trim().slice('listening on '.length);
    const get = async (path: string): Promise<string> => (await fetch(`${url}${path}`)).text();
    const [first, version] = [await get('/'), await get('/version')];
    expect(textOf(first)).toContain('running, step 10 of 10');
    expect(first).toContain(`<script data-version="${version}">`);
    const lines = readFileSync(`${live}/metrics.jsonl`, 'utf8');
    writeFileSync(`${live}/metrics.jsonl`, `${lines}${JSON.stringify({ step: 10, loss: 7.25 })}\n`);
    await expect.poll(() => get('/version'), { timeout: 20_000 }).not.toBe(version);
    await expect.poll(async () => tableIn(await get('/'), 'Values of Loss').at(-1)).toEqual(['11', '7.25']);
    expect((await fetch(`${url}/elsewhere`)).status).toBe(404);
    interrupt.abort();
    expect((await ended).code).toBe(0);
    await expect(fetch(url)).rejects.toThrow();
  });
});
