import { type Command, InvalidArgumentError, Option } from 'commander';
import { addResultOptions, createCommand, integer, required, resolveFlags } from '../args.ts';
import { benchLatency, type CaseLatency } from '../bench/latency.ts';
import { type CaseName, latencyCases, PEERS, SLIM_CASES } from '../bench/latency-cases.ts';
import { usageError } from '../io/errors.ts';
import { type Io, throwIfInterrupted } from '../io/io.ts';
import { createProgress } from '../io/progress.ts';
import { formatBytes, percent } from '../io/units.ts';
import type { Model } from '../models/model.ts';
import { BERT_POSITIONS, BERT_PRESETS, isBertPreset } from '../models/presets.ts';
import { addModelOptions, type ModelFlags, modelOf, ranksOf } from './bench-model.ts';
import { printResult, table } from './result.ts';

interface LatencyFlags extends ModelFlags {
  readonly threads: number;
  readonly calls: number;
  readonly cases: readonly CaseName[];
  readonly peers: readonly CaseName[];
  readonly planTokens?: number;
  readonly profile: boolean;
  readonly seed: number;
}

const WARM_UP_CALLS = 3;

/** What Slim's cases are compared with, where both ran. */
const COMPARISONS: readonly (readonly [CaseName, CaseName])[] = [
  ['slim-int8-lowrank', 'native-int8-lowrank'],
  ['slim-int8-lowrank', 'native-int8-dense'],
  ['slim-int8-lowrank', 'native-f32-dense'],
  ['slim-int8-lowrank', 'web-f32-lowrank'],
  ['slim-f32-lowrank', 'native-f32-lowrank'],
  ['slim-f32-lowrank', 'web-f32-lowrank'],
  ['slim-int8-dense', 'native-int8-dense'],
  ['slim-f32-dense', 'native-f32-dense'],
];

/** `slim bench latency`. A peer that is not installed is left out, with a note. */
export function latencyCommand(io: Io): Command {
  const command = createCommand(
    'latency',
    'milliseconds of one answer, beside onnxruntime',
    `Runs one sample through Slim's engine and its peers, on random weights made in memory. Every round calls each case
once, so that what slows the machine slows them alike. Slim's engine computes on one thread, the graph as it packs it:
attention absorbed where ranks allow, the last block for one token. The peers run the graph as it is, with onnxruntime's
fused attention; embeddings stay f32 there.

Slim's: ${SLIM_CASES.join(', ')}.
Peers: ${PEERS.join(', ')}.
native is onnxruntime-node; web is onnxruntime-web, which is left out where it is not installed.`,
    [
      'slim bench latency --model vit-b16 --rank 32 --threads 1 --json',
      'slim bench latency --model bert-base --tokens 128 --cases slim-int8-lowrank --peers native-int8-lowrank',
    ],
  )
    .addOption(new Option('--threads <n>', 'threads of the peers').argParser(integer(1, 1024)).default(1))
    .addOption(new Option('--calls <n>', 'timed calls of each case').argParser(integer(1, 100_000)).default(20))
    .addOption(
      new Option('--cases <names>', "all, none, or some of Slim's with commas between")
        .argParser(someOf(SLIM_CASES))
        .default(SLIM_CASES, 'all'),
    )
    .addOption(
      new Option('--peers <names>', 'all, none, or some of them with commas between')
        .argParser(someOf(PEERS))
        .default(PEERS, 'all'),
    )
    .addOption(
      new Option('--plan-tokens <n>', "the longest text that Slim's artifact takes, for presets of text models")
        .argParser(integer(1, BERT_POSITIONS))
        .default(undefined, 'as --tokens'),
    )
    .option('--profile', "tell where the time of Slim's engine goes, by kernel");
  addResultOptions(addModelOptions(command));
  return command.action(async () => {
    const flags = await resolveFlags<LatencyFlags>(command);
    const cases = await runLatency(flags, io);
    const ratios = ratiosOf(cases);
    const { model, rank, threads, calls } = flags;
    const rows = cases.map(({ logits: _, profile, ...row }) => (flags.profile ? { ...row, profile } : row));
    printResult(
      io,
      flags.json,
      { model, rank, threads, calls, node: process.version, cases: rows, ratios },
      textOf(flags, cases, ratios),
    );
  });
}

/** Times the cases that the flags name. */
async function runLatency(flags: LatencyFlags, io: Io): Promise<CaseLatency[]> {
  const names = [...flags.cases, ...flags.peers];
  if (names.length === 0) throw usageError('--cases none and --peers none leave nothing to run');
  const model = await modelOf(flags);
  const planModel = await planModelOf(flags);
  const progress = createProgress(io.stderr, 'call');
  const onMissing = (name: CaseName): void =>
    progress.line(`note: ${name} is left out: npm install --no-save onnxruntime-web@1.30.0 adds it`);
  const cases = await latencyCases(names, {
    model,
    planModel,
    rank: flags.rank,
    ranks: ranksOf(model, flags),
    seed: flags.seed,
    threads: flags.threads,
    io,
    onMissing,
  });
  const latencies = await benchLatency(cases, {
    calls: flags.calls,
    warmUp: WARM_UP_CALLS,
    profile: flags.profile,
    onCall(done, total, name) {
      throwIfInterrupted(io.signal);
      progress.update(done, total, name);
    },
  });
  progress.end();
  return latencies;
}

async function planModelOf(flags: LatencyFlags): Promise<Model | null> {
  const { model, tokens, planTokens } = flags;
  if (planTokens === undefined) return null;
  if (!isBertPreset(required(model, '--model')))
    throw usageError(
      `--plan-tokens is for presets of text models, not for ${model}`,
      `These: ${BERT_PRESETS.join(', ')}.`,
    );
  if (planTokens < tokens)
    throw usageError(
      `--plan-tokens ${planTokens} is less than --tokens ${tokens}`,
      'The artifact takes texts up to that length.',
    );
  return modelOf({ ...flags, tokens: planTokens });
}

interface Ratio {
  readonly name: string;
  readonly peer: string;
  /** Of the medians: below 1, Slim is faster. */
  readonly ratio: number;
}

function ratiosOf(cases: readonly CaseLatency[]): Ratio[] {
  const medians = new Map(cases.map(({ name, medianMs }) => [name, medianMs]));
  return COMPARISONS.flatMap(([name, peer]) => {
    const [ours, theirs] = [medians.get(name), medians.get(peer)];
    return ours === undefined || theirs === undefined ? [] : [{ name, peer, ratio: ours / theirs }];
  });
}

function textOf(
  { model, rank, calls, threads, profile }: LatencyFlags,
  cases: readonly CaseLatency[],
  ratios: readonly Ratio[],
): string {
  const rows = cases.map(({ name, medianMs, p95Ms, minMs, bytes }) => [
    name,
    ...[medianMs, p95Ms, minMs].map((ms) => ms.toFixed(2)),
    formatBytes(bytes),
  ]);
  return [
    `${model}, rank ${rank}, ${calls} calls each, ` +
      `peers on ${threads} thread${threads === 1 ? '' : 's'}, Node ${process.version}`,
    table([['ms', 'median', 'p95', 'min', 'size'], ...rows]),
    ...(ratios.length === 0
      ? []
      : [
          '',
          table([
            ['medians compared', 'to', 'ratio'],
            ...ratios.map(({ name, peer, ratio }) => [name, peer, ratio.toFixed(2)]),
          ]),
        ]),
    ...(profile ? cases.flatMap(profileText) : []),
  ].join('\n');
}

function profileText({ name, profile }: CaseLatency): string[] {
  if (!profile) return [];
  const total = profile.reduce((sum, { ms }) => sum + ms, 0);
  const rows = profile.map(({ op, calls, ms }) => [op, String(calls), ms.toFixed(2), percent(ms / total, 1)]);
  return ['', table([[name, 'calls', 'ms', 'share'], ...rows])];
}

/** `all`, `none`, or names out of `known`. */
function someOf<T extends string>(known: readonly T[]): (text: string) => readonly T[] {
  return (text) => {
    if (text === 'all') return known;
    if (text === 'none') return [];
    return text.split(',').map((part) => {
      const name = known.find((candidate) => candidate === part.trim());
      if (name === undefined) throw new InvalidArgumentError(`Expected all, none, or some of ${known.join(', ')}.`);
      return name;
    });
  };
}
