import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type Artifact, readArtifact } from '../../runtime/artifact/artifact.ts';
import {
  addDataOptions,
  addLabelsOption,
  addResultOptions,
  createCommand,
  type DataFlags,
  integer,
  type LabelsFlags,
  required,
  resolveFlags,
} from '../args.ts';
import { compare } from '../bench/compare/compare.ts';
import { busyWarning, lookAtMachine } from '../bench/compare/machine.ts';
import { type Amounts, WARM_UP_ROUNDS } from '../bench/compare/measure.ts';
import { longestText, openPeers } from '../bench/compare/open-peers.ts';
import { type CallShape, PEERS, type Peer, type PeerName } from '../bench/compare/peers.ts';
import { readPrices } from '../bench/compare/prices.ts';
import { type CompareSample, withSome } from '../bench/compare/samples.ts';
import { openArtifact } from '../io/artifact.ts';
import { usageError } from '../io/errors.ts';
import { exists, kindOf, writeJson } from '../io/files.ts';
import { type Io, throwIfInterrupted } from '../io/io.ts';
import { createProgress } from '../io/progress.ts';
import { packTrained } from '../train/pack-trained.ts';
import { loadTrainedModel, type TrainedModel } from '../train/trained-model.ts';
import { compareText } from './bench-compare-text.ts';
import { openJudgingData, outputsFor } from './evaluate.ts';
import { printResult } from './result.ts';

interface CompareFlags extends LabelsFlags, Partial<DataFlags> {
  readonly against: readonly PeerName[];
  readonly teacher?: string;
  readonly run?: string;
  readonly samples: number;
  readonly rounds: number;
  readonly processes: number;
  readonly threads: readonly number[];
  readonly tokens?: readonly number[];
  readonly prices?: string;
  readonly raw?: string;
  readonly overwrite: boolean;
  readonly json: boolean;
}

/** Of how many texts and pictures at once latency is told. */
const BATCHES = [1, 8];
const TOKENS = [16, 64, 128, 256, 512];
/** How long answers are counted for their number a second. */
const SECONDS = 1;
/** A text has its two ends and something between. */
const LEAST_TOKENS = 4;

/** `slim bench compare`. What is not installed, or not there, is left out and said. */
export function compareCommand(io: Io): Command {
  const command = createCommand(
    'compare',
    'what an artifact gives beside what would be used instead',
    `Runs an artifact and its peers on the same data, on this machine, side by side: accuracy, what has to be installed,
starting, latency, answers a second, memory, and what a million answers cost. Every peer is a process of its own on one
thread, and answers in its turn of each round, so that what slows the machine slows them alike. Latency is that of a
prepared sample: decoding and tokenizing come before, for all of them. The best of each column has a star.

Peers: ${PEERS.join(', ')}.
native is onnxruntime-node, web is onnxruntime-web; dense is the teacher, lowrank what --run holds. The artifact remembers
the folders of both; what is not there is left out, and the reason said. Of texts, tfidf is TF-IDF of words and letters
with logistic regression, and embeddings the mean of the teacher's word embeddings with one, as model2vec has it; both are
trained within the run on the data's training part. tfidf reads the text itself: its time is in its latency.

Dollars are for answers alone, neither for HTTP nor for a month's fee: of Lambda by memory size, where less memory is less
of a processor; of Cloudflare's workers for what can run there.`,
    [
      'slim bench compare demo.slim --data glyphs',
      'slim bench compare reviews.slim --data reviews/ --teacher runs/reviews --run runs/reviews32 --samples 500',
      'slim bench compare pets.slim --data pets/ --against native-int8-dense --raw times.json --json',
    ],
  )
    .argument('<model>', 'a .slim file, or a run, which is packed')
    .addOption(
      new Option('--against <peers>', 'all, none, or some of them with commas between')
        .argParser(somePeers)
        .default(PEERS, 'all'),
    )
    .option('--teacher <folder>', 'the dense model (default: what the artifact remembers)')
    .option('--run <folder>', 'the low-rank run before it was quantized (default: what the artifact remembers)')
    .optionsGroup('Measured:')
    .addOption(
      new Option('--samples <n>', "samples that are answered, spread over the data's test part")
        .argParser(integer(1, 1_000_000))
        .default(1000),
    )
    .addOption(
      new Option('--rounds <n>', 'turns of each peer, at least 10 ms each').argParser(integer(1, 10_000)).default(30),
    )
    .addOption(new Option('--processes <n>', 'new processes of each peer').argParser(integer(1, 100)).default(3))
    .addOption(
      new Option('--threads <list>', 'processes of one thread that answer at once, for answers a second')
        .argParser(integers(1, 256))
        .default(undefined, 'one, and all processors'),
    )
    .addOption(
      new Option('--tokens <list>', 'lengths of texts for latency')
        .argParser(integers(4, 65_536))
        .default(undefined, `of ${TOKENS.join(', ')} those that the model takes`),
    )
    .option('--prices <file>', "JSON of other prices than Slim's, in the form of `prices` in what --json prints")
    .option('--raw <file>', 'write every time that was taken to a JSON file')
    .option('--overwrite', 'replace the file of --raw that is there');
  addResultOptions(addLabelsOption(addDataOptions(command, { inherited: true })));
  return command.action(async (path: string) => {
    const flags = await resolveFlags<CompareFlags>(command);
    await runCompare(path, flags, io);
  });
}

async function runCompare(path: string, flags: CompareFlags, io: Io): Promise<void> {
  const dataPath = required(flags.data, '--data');
  if (flags.raw !== undefined && !flags.overwrite && (await exists(flags.raw)))
    throw usageError(`--raw ${flags.raw} already exists`, 'Choose another file, or replace it (--overwrite).');
  const prices = await readPrices(flags.prices);
  const opened = await openModel(path);
  const { artifact } = opened;
  const all = await openJudgingData(dataPath, artifact, flags, io);
  const data = withSome(all, flags.samples);
  const outputs = await outputsFor(artifact, all, flags, io);
  const machine = await lookAtMachine();
  const warning = busyWarning(machine);
  if (warning !== null) io.stderr.write(`warning: ${warning}\n`);
  const folder = await mkdtemp(join(tmpdir(), 'slim-compare-'));
  try {
    const { peers, leftOut } = await openPeers({
      ...opened,
      data,
      indices: outputs.indices,
      names: flags.against,
      teacher: flags.teacher,
      run: flags.run,
      folder,
      io,
      onRow: () => throwIfInterrupted(io.signal),
    });
    for (const { name, why } of leftOut) io.stderr.write(`note: ${name} is left out: ${why}\n`);
    const longest = longestText(artifact);
    const shapes = shapesFor(peers[0].samples, longest, flags);
    const { problemType } = artifact.manifest;
    const amounts = { ...flags, threads: flags.threads ?? threadCounts(), seconds: SECONDS };
    const steps = stepsOf(peers, shapes, amounts, io);
    const options = { problemType, outputs, shapes, longest, amounts, prices, io, onStep: steps.onStep };
    const { compared, raw } = await compare(peers, options);
    steps.end();
    const about = { model: path, data: dataPath, samples: data.test.size, machine, warning };
    if (flags.raw !== undefined) await writeJson(flags.raw, { version: 1, ...about, times: raw });
    printResult(
      io,
      flags.json,
      { ...about, prices, peers: compared, leftOut },
      compareText({ ...about, prices, compared, leftOut }),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function openModel(
  path: string,
): Promise<{ readonly artifact: Artifact; readonly bytes: Uint8Array; readonly packed: TrainedModel | null }> {
  if ((await kindOf(path)) !== 'folder')
    return { artifact: await openArtifact(path), bytes: await readFile(path), packed: null };
  const packed = await loadTrainedModel(path);
  const bytes = await packTrained(packed);
  return { artifact: await readArtifact(bytes), bytes, packed };
}

/** One sample of the data's median length first; then texts of other lengths; then several at once. */
function shapesFor(
  samples: readonly CompareSample[],
  longest: number | null,
  { tokens: asked }: Pick<CompareFlags, 'tokens'>,
): CallShape[] {
  if (longest === null) {
    if (asked) throw usageError('--tokens is for texts, and the model takes pictures', 'Leave it out.');
    return BATCHES.map((batch) => ({ batch, tokens: null, padded: false }));
  }
  const long = asked?.find((tokens) => tokens > longest);
  if (long !== undefined) throw usageError(`--tokens ${long}: the model takes texts of at most ${longest} tokens`);
  const lengths = samples.map(({ tokens }) => tokens!).sort((a, b) => a - b);
  const median = Math.max(LEAST_TOKENS, lengths[Math.floor(lengths.length / 2)]);
  const others = (asked ?? TOKENS).filter((tokens) => tokens <= longest && tokens !== median);
  return [
    { batch: 1, tokens: median, padded: false },
    ...others.map((tokens) => ({ batch: 1, tokens, padded: false })),
    ...BATCHES.slice(1).map((batch) => ({ batch, tokens: median, padded: false })),
  ];
}

const threadCounts = (): number[] => [...new Set([1, availableParallelism()])];

/** Tells of every step, and stops where the user interrupts. */
function stepsOf(
  peers: readonly Peer[],
  shapes: readonly CallShape[],
  { rounds, processes, threads }: Amounts,
  { stderr, signal }: Io,
): { readonly onStep: (what: string, count?: number) => void; readonly end: () => void } {
  const progress = createProgress(stderr, 'step');
  const judged = peers.reduce((sum, { samples }) => sum + samples.length, 0);
  const timed = shapes.length * (rounds + WARM_UP_ROUNDS);
  const total = judged + timed + peers.length * (processes + threads.length);
  let done = 0;
  return {
    onStep(what, count = 1) {
      throwIfInterrupted(signal);
      progress.update((done += count), total, what);
    },
    end: () => progress.end(),
  };
}

/** `all`, `none`, or names of peers. */
function somePeers(text: string): readonly PeerName[] {
  if (text === 'all') return PEERS;
  if (text === 'none') return [];
  return text.split(',').map((part) => {
    const name = PEERS.find((candidate) => candidate === part.trim());
    if (name === undefined) throw new InvalidArgumentError(`Expected all, none, or some of ${PEERS.join(', ')}.`);
    return name;
  });
}

/** Whole numbers with commas between, each once, ascending. */
function integers(least: number, most: number): (text: string) => readonly number[] {
  const read = integer(least, most);
  return (text) => [...new Set(text.split(',').map(read))].sort((a, b) => a - b);
}
