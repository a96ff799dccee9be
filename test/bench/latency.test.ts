/** `slim bench latency`: every case computes the model that it is said to compute. Times are not judged. */
import { beforeAll, describe, expect, it } from 'vitest';
import { benchLatency, type CaseLatency, type LatencyCase } from '../../cli/bench/latency.ts';
import { type CaseName, latencyCases, PEERS, SLIM_CASES } from '../../cli/bench/latency-cases.ts';
import { denseVariant, lowRankVariant, type Variant } from '../../cli/bench/variant.ts';
import { evaluate, floats } from '../../cli/engines/engine.ts';
import { webRuntime } from '../../cli/engines/onnx/session.ts';
import { inputsOf } from '../../cli/graph/cost.ts';
import { inputName } from '../../cli/graph/ops/leaf.ts';
import { createBert } from '../../cli/models/bert.ts';
import type { Model } from '../../cli/models/model.ts';
import { createVit } from '../../cli/models/vit.ts';
import { resolveRanks } from '../../cli/pclora/rank.ts';
import { slim, slimJson } from '../support/cli.ts';
import { expectClose, relativeError } from '../support/compare.ts';
import { engineIo, onnxEngine } from '../support/engines.ts';

const SEED = 3;
const RANK = 8;
const WEB_MISSING = webRuntime(1) === null;
if (WEB_MISSING) console.warn('skipped: onnxruntime-web is not installed');
const INSTALLED: CaseName[] = PEERS.filter((name) => !(WEB_MISSING && name.startsWith('web-')));

const labels = Array.from({ length: 10 }, (_, i) => `class ${i}`);
// Weights large enough that every layer has a say in the logits.
const encoder = {
  hiddenSize: 64,
  layers: 2,
  heads: 4,
  intermediateSize: 128,
  layerNormEpsilon: 1e-12,
  activation: 'gelu' as const,
  initializerRange: 0.2,
  headDropout: 0,
  labels,
  problemType: 'single_label_classification' as const,
};
const vit = createVit({ ...encoder, variant: 'vit', imageSize: { height: 32, width: 32 }, patchSize: 8, channels: 3 });
const bert = createBert({
  ...encoder,
  variant: 'bert',
  vocabSize: 50,
  maxPositions: 24,
  typeVocabSize: 2,
  tokens: 17,
  embeddingSize: encoder.hiddenSize,
});

/** The logits of a plain graph in f32, weights as inputs. */
async function reference({ logits, tensors, inputs }: Variant): Promise<Float32Array> {
  const weights = inputsOf({ outputs: { logits } }).flatMap((node) => {
    const data = tensors.get(inputName(node)!);
    return data ? [[inputName(node)!, floats(data, node.shape)] as const] : [];
  });
  const results = await evaluate(
    await onnxEngine(),
    { outputs: { logits } },
    { ...inputs, ...Object.fromEntries(weights) },
  );
  return results.logits.data as Float32Array;
}

async function latenciesOf(model: Model, names: readonly CaseName[]): Promise<Map<string, CaseLatency>> {
  const onMissing = (name: string): never => {
    throw new Error(`${name} is missing`);
  };
  const cases = await latencyCases(names, {
    model,
    planModel: null,
    rank: RANK,
    ranks: resolveRanks(model.layers, { rank: RANK }),
    seed: SEED,
    threads: 1,
    io: engineIo,
    onMissing,
  });
  const latencies = await benchLatency(cases, { calls: 2, warmUp: 1, profile: false });
  return new Map(latencies.map((latency) => [latency.name, latency]));
}

describe.each([
  ['a ViT', vit, [...SLIM_CASES, ...INSTALLED]],
  ['a BERT', bert, [...SLIM_CASES, ...INSTALLED]],
] as const)('the logits of %s', (_, model, names) => {
  let latencies: Map<string, CaseLatency>;
  const expected: Record<string, Float32Array> = {};
  beforeAll(async () => {
    latencies = await latenciesOf(model, names);
    expected.dense = await reference(denseVariant(model, SEED));
    expected.lowrank = await reference(lowRankVariant(model, resolveRanks(model.layers, { rank: RANK }), SEED));
  });

  it.each(names.map((name) => [name]))('%s', (name) => {
    const { logits, dtype, rank, bytes } = latencies.get(name)!;
    const kind = name.endsWith('dense') ? 'dense' : 'lowrank';
    expect(rank).toBe(kind === 'dense' ? null : RANK);
    if (dtype === 'f32') {
      expectClose(logits, expected[kind], 1e-4, 'logits');
    } else {
      // Rounding moves these random logits by 1 to 10 %; a wrong scale or a weight that lies the wrong way by 100 %.
      // With four bits a weight it is up to half of them.
      expectClose(logits, expected[kind], dtype === 'int4' ? 0.5 : 0.15, 'logits');
      expect(relativeError(logits, expected[kind]), 'what rounding changes').toBeGreaterThan(1e-4);
      const wider = name.replace(dtype, dtype === 'int4' ? 'int8' : 'f32');
      expect(bytes).toBeLessThan(latencies.get(wider)?.bytes ?? Infinity);
    }
  });

  it('differ between the dense and the low-rank model', () => {
    expect(relativeError(expected.lowrank, expected.dense)).toBeGreaterThan(0.3);
  });
});

it("Slim's artifact for longer texts answers a short one as one of its length does", async () => {
  const longer = createBert({
    ...encoder,
    embeddingSize: encoder.hiddenSize,
    variant: 'bert',
    vocabSize: 50,
    maxPositions: 24,
    typeVocabSize: 2,
    tokens: 24,
  });
  const ranks = resolveRanks(bert.layers, { rank: RANK });
  const [{ logits }] = await benchLatency(
    await latencyCases(['slim-f32-lowrank'], {
      model: bert,
      planModel: longer,
      rank: RANK,
      ranks,
      seed: SEED,
      threads: 1,
      io: engineIo,
      onMissing: () => undefined,
    }),
    { calls: 1, warmUp: 0, profile: false },
  );
  expectClose(logits, await reference(lowRankVariant(bert, ranks, SEED)), 1e-4, 'logits');
});

describe('benchLatency', () => {
  it('calls each case once a round, after its warm-up, and closes all', async () => {
    const log: string[] = [];
    const fake = (name: string): LatencyCase => ({
      name,
      engine: 'fake',
      dtype: 'f32',
      rank: null,
      open: async () => ({
        bytes: 7,
        run: () => {
          log.push(name);
          return Float32Array.of(log.length);
        },
        profile: () => [{ op: 'linear', calls: 2, ms: 1 }],
        close: async () => {
          log.push(`close ${name}`);
        },
      }),
    });
    const told: [number, number][] = [];
    const options = {
      calls: 2,
      warmUp: 1,
      profile: true,
      onCall: (done: number, total: number) => told.push([done, total]),
    };
    const [a, b] = await benchLatency([fake('a'), fake('b')], options);
    expect(log).toEqual(['a', 'b', 'a', 'b', 'a', 'b', 'close a', 'close b']);
    expect(told).toEqual([1, 2, 3, 4, 5, 6].map((done) => [done, 6]));
    expect([a.name, b.name, a.bytes, [...b.logits]]).toEqual(['a', 'b', 7, [6]]);
    expect(a.profile).toEqual([{ op: 'linear', calls: 2, ms: 1 }]);
    expect(a.minMs).toBeLessThanOrEqual(a.medianMs);
    expect(a.medianMs).toBeLessThanOrEqual(a.p95Ms);
  });

  it('closes what was opened when a case fails', async () => {
    const closed: string[] = [];
    const fake = (name: string, fails: boolean): LatencyCase => ({
      name,
      engine: 'fake',
      dtype: 'f32',
      rank: null,
      open: async () => ({
        bytes: 0,
        run: () => {
          if (fails) throw new Error('no kernel');
          return new Float32Array();
        },
        close: async () => {
          closed.push(name);
        },
      }),
    });
    await expect(
      benchLatency([fake('a', false), fake('b', true)], { calls: 1, warmUp: 1, profile: false }),
    ).rejects.toThrow('no kernel');
    expect(closed).toEqual(['a', 'b']);
  });
});

describe('slim bench latency', () => {
  const pico = ['bench', 'latency', '--model', 'vit-pico', '--rank', '8', '--calls', '2'];

  it('tells every case that it ran, and ratios', async () => {
    const result = await slimJson([...pico, '--peers', 'native-f32-dense,native-int8-lowrank']);
    expect(result).toMatchObject({
      version: 1,
      model: 'vit-pico',
      rank: 8,
      threads: 1,
      calls: 2,
      node: process.version,
    });
    const cases = result.cases as {
      name: string;
      engine: string;
      dtype: string;
      rank: number | null;
      medianMs: number;
      p95Ms: number;
      minMs: number;
      bytes: number;
    }[];
    expect(cases.map(({ name }) => name)).toEqual([...SLIM_CASES, 'native-f32-dense', 'native-int8-lowrank']);
    for (const { name, engine, dtype, rank, medianMs, p95Ms, minMs, bytes, ...rest } of cases) {
      expect(engine).toMatch(name.startsWith('slim') ? /^slim$/ : /^onnxruntime-node \d/);
      expect(name).toContain(dtype);
      expect(rank).toBe(name.endsWith('dense') ? null : 8);
      expect(0 < minMs && minMs <= medianMs && medianMs <= p95Ms).toBe(true);
      expect(bytes).toBeGreaterThan(50_000);
      expect(rest).toEqual({});
    }
    const medians = new Map(cases.map(({ name, medianMs }) => [name, medianMs]));
    const ratios = result.ratios as { name: string; peer: string; ratio: number }[];
    expect(ratios.map(({ name, peer }) => `${name} ${peer}`)).toEqual([
      'slim-int8-lowrank native-int8-lowrank',
      'slim-int8-lowrank native-f32-dense',
      'slim-f32-dense native-f32-dense',
    ]);
    for (const { name, peer, ratio } of ratios) expect(ratio).toBeCloseTo(medians.get(name)! / medians.get(peer)!, 12);
  });

  it('prints a table, and what is missing on stderr', async () => {
    const { code, stdout, stderr } = await slim([
      ...pico,
      '--cases',
      'slim-f32-lowrank',
      '--peers',
      'web-f32-lowrank, native-f32-lowrank',
      '--profile',
    ]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^vit-pico, rank 8, 2 calls each, peers on 1 thread, Node v/);
    expect(stdout).toMatch(/^slim-f32-lowrank +[\d.]+ +[\d.]+ +[\d.]+ +2\d\d\.\d kB$/m);
    expect(stdout).toMatch(/^slim-f32-lowrank +native-f32-lowrank +[\d.]+$/m);
    if (WEB_MISSING)
      expect(stderr).toContain('note: web-f32-lowrank is left out: npm install --no-save onnxruntime-web@');
  });

  it('takes texts', async () => {
    const { cases } = await slimJson([
      'bench',
      'latency',
      '--model',
      'bert-tiny',
      '--rank',
      '8',
      '--tokens',
      '5',
      '--calls',
      '1',
      '--cases',
      'slim-int8-lowrank',
      '--peers',
      'native-int8-lowrank',
    ]);
    expect(cases).toMatchObject([
      { name: 'slim-int8-lowrank', dtype: 'int8', rank: 8 },
      { name: 'native-int8-lowrank', dtype: 'int8', rank: 8 },
    ]);
  });

  it.each([
    [['--cases', 'none', '--peers', 'none'], 'error: --cases none and --peers none leave nothing to run\n'],
    [
      ['--cases', 'fast'],
      "error: option '--cases <names>' argument 'fast' is invalid. Expected all, none, or some of slim-int8-lowrank,",
    ],
    [['--plan-tokens', '64'], 'error: --plan-tokens is for presets of text models, not for vit-pico\n'],
    [['--model', 'bert-tiny', '--plan-tokens', '64'], 'error: --plan-tokens 64 is less than --tokens 128\n'],
    [['--peers', 'native-f32-dense,web'], 'Expected all, none, or some of native-f32-dense,'],
  ])('%j is wrong usage', async (args, message) => {
    const { code, stdout, stderr } = await slim([...pico, ...args]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(message);
  });
});
