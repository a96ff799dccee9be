/** `slim bench compare`: what it computes of what it measured, by hand; and that all peers answer the same model. Times are not judged. */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { likenessOf } from '../../cli/bench/compare/answers.ts';
import { busyOf, busyWarning } from '../../cli/bench/compare/machine.ts';
import { lambdaDollars, type Prices, readPrices, workersDollars } from '../../cli/bench/compare/prices.ts';
import { textOfLength } from '../../cli/bench/compare/samples.ts';
import { spreadOf } from '../../cli/bench/summary.ts';
import {
  slim,
  slimJson,
  workFolder,
  writePictures,
  writeReviews,
  writeTinyBert,
  writeTinyModel,
} from '../support/cli.ts';

describe('summaries', () => {
  it('tell percentiles by nearest rank, and the median absolute deviation', () => {
    const times = [9, 1, 2, 3, 4, 5, 6, 7, 8, 100];
    // Median 5.5; deviations .5 .5 1.5 1.5 2.5 2.5 3.5 3.5 4.5 94.5, of which 2.5 lies in the middle.
    expect(spreadOf(times)).toEqual({ medianMs: 5.5, p95Ms: 100, p99Ms: 100, minMs: 1, madMs: 2.5 });
    const hundred = Array.from({ length: 100 }, (_, i) => 100 - i);
    expect(spreadOf(hundred)).toEqual({ medianMs: 50.5, p95Ms: 95, p99Ms: 99, minMs: 1, madMs: 25 });
    expect(spreadOf([7])).toEqual({ medianMs: 7, p95Ms: 7, p99Ms: 7, minMs: 7, madMs: 0 });
  });
});

describe('prices', () => {
  const prices: Prices = {
    date: '2020-02-02',
    lambda: {
      source: 'made up',
      perMillionRequests: 0.5,
      perGbSecond: { x86: 0.0001, arm: 0.00005 },
      memoryMb: [64, 512, 1024, 4096],
      oneProcessorMb: 1024,
    },
    workers: { source: 'made up', perMillionRequests: 2, perMillionCpuMs: 0.25, memoryMb: 128 },
  };

  it('of Lambda: milliseconds begun, memory, and less of a processor below one', () => {
    // 512 MB: half a processor, 4.2 ms for 2.1, 5 are billed: 5,000 s × 0.5 GB = 2,500 GB·s.
    // 1,024 MB: 3 ms billed: 3,000 GB·s. 4,096 MB: 3 ms, 12,000 GB·s. 64 MB do not hold 100 MiB.
    const told = lambdaDollars({ latencyMs: 2.2, cpuMs: 2.1, residentBytes: 100 * 2 ** 20 }, prices.lambda);
    expect(told.map(({ memoryMb }) => memoryMb)).toEqual([64, 512, 1024, 4096]);
    expect([told[0].x86, told[0].arm]).toEqual([null, null]);
    [0.75, 0.8, 1.7].forEach((dollars, i) => expect(told[i + 1].x86).toBeCloseTo(dollars, 12));
    [0.625, 0.65, 1.1].forEach((dollars, i) => expect(told[i + 1].arm).toBeCloseTo(dollars, 12));
  });

  it('of workers: processor time as it is', () => {
    expect(workersDollars({ cpuMs: 2.1 }, prices.workers)).toBeCloseTo(2.525, 12);
  });

  it("are Slim's own, of a date and a page, unless a file tells others", async () => {
    const own = await readPrices(undefined);
    expect(own).toMatchObject({
      lambda: { perMillionRequests: 0.2, perGbSecond: { x86: 1.66667e-5, arm: 1.33334e-5 }, oneProcessorMb: 1769 },
      workers: { perMillionRequests: 0.3, perMillionCpuMs: 0.02 },
    });
    expect(own.date).toMatch(/^20\d\d-\d\d-\d\d$/);
    expect(own.lambda.source).toContain('AWS Lambda Pricing');
    const work = workFolder();
    const file = work.path('prices.json');
    writeFileSync(file, JSON.stringify(prices));
    expect(await readPrices(file)).toEqual(prices);
    writeFileSync(file, JSON.stringify({ ...prices, workers: { ...prices.workers, perMillionCpuMs: -1 } }));
    await expect(readPrices(file)).rejects.toThrow(
      `${file}.workers.perMillionCpuMs: expected a number of dollars, 0 or more, got -1`,
    );
    work.remove();
  });
});

describe('the machine', () => {
  it('is busy by what Linux counts, idle and waiting left out', () => {
    expect(busyOf('cpu  10 20 30 4000 500 6 7 8 0 0')).toBe(81);
    expect(busyOf('')).toBeNull();
  });

  it('is warned of above a quarter of a processor, or half the processors of load where nothing tells', () => {
    const machine = { cpu: '', cores: 4, node: '', system: '', loadAverage: 9, busyProcessors: 0.2 };
    expect(busyWarning(machine)).toBeNull();
    expect(busyWarning({ ...machine, busyProcessors: 0.3 })).toContain('keep 0.3 of 4 processors busy');
    expect(busyWarning({ ...machine, busyProcessors: null })).toContain('load average is 9.0 on 4');
    expect(busyWarning({ ...machine, busyProcessors: null, loadAverage: 2 })).toBeNull();
  });
});

it('compares answers: labels, logits, probabilities', () => {
  const ours = [Float32Array.of(0, 0), Float32Array.of(1, 3)];
  const theirs = [Float32Array.of(0, Math.log(3)), Float32Array.of(1, 3)];
  const told = likenessOf(ours, theirs, 'single_label_classification', true);
  // Of two equal logits the first counts: 0 beside 1. ½ beside ¾.
  expect(told.sameAnswers).toBe(0.5);
  expect(told.largestLogitDifference).toBeCloseTo(Math.log(3), 6);
  expect(told.largestScoreDifference).toBeCloseTo(0.25, 6);
  expect(likenessOf(ours, theirs, 'regression', false)).toMatchObject({
    sameAnswers: null,
    largestLogitDifference: null,
  });
});

it('brings a text to a length between its ends', () => {
  const ids = Int32Array.of(101, 7, 8, 102);
  const given = { ids, types: Int32Array.of(0, 0, 1, 1) };
  expect(textOfLength(given, 7)).toEqual({
    ids: Int32Array.of(101, 7, 8, 7, 8, 7, 102),
    types: Int32Array.of(0, 0, 1, 0, 1, 0, 1),
  });
  expect(textOfLength({ ids }, 3)).toEqual({ ids: Int32Array.of(101, 7, 102) });
});

interface Told {
  readonly name: string;
  readonly score: { readonly accuracy: number; readonly samples: number };
  readonly likeness: { readonly sameAnswers: number; readonly largestLogitDifference: number | null } | null;
  readonly parameters: number;
  readonly macs: number | null;
  readonly installedBytes: number;
  readonly latency: readonly { readonly batch: number; readonly tokens: number | null; readonly calls: number }[];
  readonly throughput: readonly { readonly threads: number; readonly perSecond: number }[];
  readonly dollarsPerMillion: { readonly workers: number | null };
}

const work = workFolder();
afterAll(() => work.remove());
const amounts = ['--rounds', '2', '--processes', '1', '--threads', '1'];
const NATIVE = ['native-f32-dense', 'native-int8-dense', 'native-f32-lowrank', 'native-int8-lowrank'];

/** Compresses for some steps, packs in f32: then every f32 peer of the low-rank model is the same function. */
async function compressed(model: string, data: string, name: string): Promise<string> {
  const [run, file] = [work.path(name), work.path(`${name}.slim`)];
  const training = ['--rank', '4', '--steps', '4', '--batch-size', '8', '--threads', '1', '--force-rank'];
  await slimJson(['train', '--model', model, '--data', data, ...training, '--out', run]);
  await slimJson(['pack', run, '--out', file]);
  return file;
}

describe('of pictures', () => {
  let told: { peers: Told[]; leftOut: { name: string; why: string }[]; samples: number };
  const raw = work.path('raw.json');
  beforeAll(async () => {
    await writeTinyModel(work.path('vit'));
    await writePictures(work.path('pictures'));
    const file = await compressed(work.path('vit'), work.path('pictures'), 'small');
    told = (await slimJson([
      'bench',
      'compare',
      file,
      '--data',
      work.path('pictures'),
      ...amounts,
      '--raw',
      raw,
    ])) as never;
  });

  it('every peer answers, and the same model the same', () => {
    expect(told.peers.map(({ name }) => name).filter((name) => !name.startsWith('web'))).toEqual(['slim', ...NATIVE]);
    const [ours, ...others] = told.peers;
    for (const { name, score, likeness, parameters, macs } of others) {
      expect(score.samples).toBe(36);
      if (!name.endsWith('f32-lowrank')) continue;
      expect(likeness!.largestLogitDifference, name).toBeLessThan(1e-4);
      expect([likeness!.sameAnswers, score, parameters, macs]).toEqual([1, ours.score, ours.parameters, ours.macs]);
    }
    const dense = others.find(({ name }) => name === 'native-f32-dense')!;
    expect(dense.likeness!.largestLogitDifference).toBeGreaterThan(1e-3);
    expect(dense.parameters).toBeGreaterThan(ours.parameters);
  });

  it('tells what has to be installed, and what runs on workers', () => {
    for (const { name, installedBytes, dollarsPerMillion } of told.peers) {
      expect(installedBytes).toBeGreaterThan(name === 'slim' ? 500_000 : 10e6);
      expect(dollarsPerMillion.workers === null).toBe(name !== 'slim');
    }
  });

  it('says why texts’ peers are left out', () => {
    const why = new Map(told.leftOut.map((one) => [one.name, one.why]));
    expect([why.get('tfidf'), why.get('embeddings')]).toEqual(['it is for texts', 'it is for texts']);
  });

  it('keeps every time that was taken', () => {
    const { times } = JSON.parse(readFileSync(raw, 'utf8')) as {
      times: { peer: string; batch: number; rounds: { times: number[] }[] }[];
    };
    for (const { name, latency } of told.peers) {
      const own = times.filter(({ peer }) => peer === name);
      expect(own.map(({ batch, rounds }) => [batch, rounds.flatMap((round) => round.times).length])).toEqual(
        latency.map(({ batch, calls }) => [batch, calls]),
      );
      expect(own.map(({ batch }) => batch)).toEqual([1, 8]);
      expect(own.every(({ rounds }) => rounds.length === 2)).toBe(true);
    }
  });

  it('refuses to replace that file, lengths of texts, and what is no peer', async () => {
    const call = ['bench', 'compare', work.path('small.slim'), '--data', work.path('pictures')];
    for (const [flags, message] of [
      [['--raw', raw], `error: --raw ${raw} already exists`],
      [['--tokens', '8', '--against', 'none'], 'error: --tokens is for texts, and the model takes pictures'],
      [['--against', 'rwkv'], "error: option '--against <peers>' argument 'rwkv' is invalid"],
    ] as const) {
      const { code, stderr } = await slim([...call, ...flags]);
      expect([code, stderr.includes(message)], stderr).toEqual([2, true]);
    }
  });

  it('does without the models that an artifact came from, and tells so in its table', async () => {
    const call = ['bench', 'compare', work.path('small.slim'), '--data', work.path('pictures'), ...amounts];
    const { code, stdout } = await slim([
      ...call,
      '--samples',
      '5',
      '--against',
      'native-f32-dense',
      '--teacher',
      work.path('vit'),
    ]);
    expect(code).toBe(0);
    expect(stdout).toContain('on 5 samples of');
    expect(stdout).toMatch(/^slim +\d+\.\d\d %/m);
    expect(stdout).toMatch(/^native-f32-dense +\d+\.\d\d %/m);
    const wrong = await slim([...call, '--against', 'native-f32-lowrank', '--run', work.path('vit')]);
    expect([wrong.code, wrong.stderr.includes('has other ranks: it is not what the artifact was made from')]).toEqual([
      1,
      true,
    ]);
  });
});

describe('of texts', () => {
  it('every peer answers, the word counters too', async () => {
    writeReviews(work.path('reviews'));
    const lines = readFileSync(work.path('reviews', 'train.jsonl'), 'utf8').trim().split('\n');
    const texts = lines.map((line) => (JSON.parse(line) as { text: string }).text);
    await writeTinyBert(work.path('bert'), texts, { labels: ['neg', 'pos'] });
    const file = await compressed(work.path('bert'), work.path('reviews'), 'text');
    const { peers } = (await slimJson([
      ...['bench', 'compare', file, '--data', work.path('reviews'), ...amounts, '--tokens', '8,16'],
    ])) as { peers: Told[] };
    const named = new Map(peers.map((peer) => [peer.name, peer]));
    expect([...named.keys()].filter((name) => !name.startsWith('web'))).toEqual([
      'slim',
      ...NATIVE,
      'tfidf',
      'embeddings',
    ]);
    const same = named.get('native-f32-lowrank')!;
    expect(same.likeness!.largestLogitDifference).toBeLessThan(1e-4);
    expect([same.likeness!.sameAnswers, same.macs]).toEqual([1, named.get('slim')!.macs]);
    // One word in ten lies: two agree in 82 of 100 texts, and of the others one of two.
    for (const name of ['tfidf', 'embeddings']) expect(named.get(name)!.score.accuracy).toBeGreaterThan(0.8);
    for (const { latency } of peers)
      expect(latency.map(({ batch, tokens }) => [batch, tokens]).slice(1, -1)).toEqual([
        [1, 8],
        [1, 16],
      ]);
  });
});
