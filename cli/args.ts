/** Flags that several commands share, what their values may be, and the config file beneath them. */
import { Command, InvalidArgumentError, Option } from 'commander';
import type { CacheOptions } from './data/cache/cached-split.ts';
import { type Dataset, type DatasetOptions, openDataset } from './data/dataset.ts';
import { DEVICES } from './engines/create.ts';
import { ENGINES } from './engines/engine.ts';
import { PRECISIONS } from './engines/precision.ts';
import { messageOf, usageError } from './io/errors.ts';
import { readJson } from './io/files.ts';
import { type Io, throwIfInterrupted } from './io/io.ts';
import { createProgress, type Progress } from './io/progress.ts';
import { TASKS, type Task } from './models/task.ts';
import { LEARNING_RATE_SHAPES } from './train/learning-rate.ts';

/** The most that --batch-size takes. */
export const MAX_BATCH_SIZE = 65536;

type Parse<T> = (text: string) => T;

/** A whole number within limits. */
export function integer(least: number, most = Number.MAX_SAFE_INTEGER): Parse<number> {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isInteger(value) || value < least || value > most) {
      const limits = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
      throw new InvalidArgumentError(`Expected a whole number ${limits}.`);
    }
    return value;
  };
}

/** A number within limits; `above` excludes the lower one. */
export function number(least: number, most = Infinity, { above = false } = {}): Parse<number> {
  return (text) => {
    const value = Number(text);
    const inside = Number.isFinite(value) && value <= most && (above ? value > least : value >= least);
    if (text.trim() === '' || !inside) {
      const limits = `${above ? 'above' : 'of at least'} ${least}${most === Infinity ? '' : ` and at most ${most}`}`;
      throw new InvalidArgumentError(`Expected a number ${limits}.`);
    }
    return value;
  };
}

/** A share above 0 and below 1, as `0.05` or `5%`. */
export function share(text: string): number {
  const [, digits, percent] = /^(\d*\.?\d+)(%?)$/.exec(text.trim()) ?? [];
  const value = percent === '%' ? Number(digits) / 100 : Number(digits);
  if (!(value > 0 && value < 1)) throw new InvalidArgumentError('Expected a share above 0 and below 1, such as 5%.');
  return value;
}

const BYTE_UNITS = { '': 1, b: 1, kb: 1e3, mb: 1e6, gb: 1e9, kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30 };

/** A number of bytes, as `4MB`, `800kB`, `1.5MiB` or `300000`. */
export function byteSize(text: string): number {
  const [, digits, unit = ''] = /^(\d*\.?\d+)\s*([a-z]*)$/i.exec(text.trim()) ?? [];
  const factor = (BYTE_UNITS as Readonly<Record<string, number>>)[unit.toLowerCase()];
  const bytes = Math.floor(Number(digits) * factor);
  if (!(bytes > 0)) throw new InvalidArgumentError('Expected a size, such as 4MB or 800kB.');
  return bytes;
}

/** A text that is not empty. */
function someText(text: string): string {
  if (text === '') throw new InvalidArgumentError('Expected a text that is not empty.');
  return text;
}

/** Repeatable NAME=R. */
export function layerRank(text: string, known: Readonly<Record<string, number>> = {}): Record<string, number> {
  const [, name, rank] = /^([\w.]+)=(\d+)$/.exec(text) ?? [];
  if (name === undefined) throw new InvalidArgumentError('Expected NAME=RANK, such as up=16 or block.0.query=64.');
  return { ...known, [name]: Number(rank) };
}

/** Repeatable; one name stays one. */
export function labelColumn(text: string, known?: string | readonly string[]): string | readonly string[] {
  return known === undefined ? text : [known, text].flat();
}

/** A command that resolves its flags, runs and prints its result. */
export function createCommand(
  name: string,
  summary: string,
  description: string,
  examples: readonly string[],
): Command {
  return new Command(name)
    .summary(summary)
    .description(paragraphs(description))
    .addHelpText('after', `\nExamples:\n${examples.map((example) => `  $ ${example}`).join('\n')}`);
}

/** Lines as they stand in the source become paragraphs, which the help wraps to the terminal; indented lines stay. */
function paragraphs(text: string): string {
  return text.replace(/([^\n])\n(?=[^\s])/g, '$1 ');
}

/** What the help says of a flag: its values and its default. A switch is off unless given, which needs no saying. */
export function optionDescription({ description, argChoices, defaultValue, defaultValueDescription }: Option): string {
  const shown =
    defaultValueDescription ??
    (defaultValue === undefined || Array.isArray(defaultValue) ? null : String(defaultValue));
  const facts = [...(argChoices ? [argChoices.join(', ')] : []), ...(shown === null ? [] : [`default: ${shown}`])];
  return facts.length === 0 ? description : `${description} (${facts.join('; ')})`;
}

/**
 * Adds `--json`, `--config` and `--seed`, which every command has that prints a result. Returns the command it was
 * given.
 */
export function addResultOptions(command: Command): Command {
  return command
    .optionsGroup('Output and configuration:')
    .option('--json', 'print the result as one JSON object')
    .option('--config <file>', 'take flags from a JSON file, {"batchSize": 64}; flags given here win')
    .addOption(new Option('--seed <n>', 'seed of everything random').argParser(integer(0, 0xffff_ffff)).default(0));
}

/** `inherited` says of how the data is split that the model's run decided it, unless the flags say otherwise. */
export function addDataOptions(command: Command, { inherited = false } = {}): Command {
  const fraction = new Option(
    '--validation-fraction <x>',
    'share held out where the data has no split of its own',
  ).argParser(number(0, 0.9, { above: true }));
  const seed = new Option(
    '--split-seed <n>',
    'decides which samples are held out there: the same for all runs that are compared',
  ).argParser(integer(0, 0xffff_ffff));
  return command
    .optionsGroup('Data:')
    .option(
      '--data <path>',
      'image folder (train/CLASS/*.jpg, val/CLASS/*.jpg), Parquet with pictures, CIFAR-10 binaries, or glyphs ' +
        '(drawn); texts: a .jsonl, .json, .csv, .tsv (or .gz of these) or .parquet file, a folder with train and ' +
        'test files of these, or folders of .txt',
    )
    .option('--text-column <name>', 'column that holds the text (default: guessed)')
    .option('--text-pair-column <name>', 'column that holds its second half, such as a hypothesis (default: guessed)')
    .addOption(
      new Option(
        '--label-column <name>',
        'column that holds the label; repeated, columns of 0 and 1, or of numbers, one each (default: guessed)',
      ).argParser(labelColumn),
    )
    .option(
      '--label-separator <text>',
      'of several labels a sample: what stands between them in their column, such as "|"',
      someText,
    )
    .addOption(
      new Option('--task <name>', 'what labels are: one class, any number of labels, or numbers')
        .choices(Object.keys(TASKS))
        .default(
          undefined,
          inherited ? "the model's where it is judged or compressed, else the data tells" : 'the data tells',
        ),
    )
    .option('--skip-bad', 'leave out unreadable samples and count them')
    .addOption(
      inherited
        ? fraction.default(undefined, "the run's, or 0.2")
        : fraction.default(SPLIT_DEFAULTS.validationFraction),
    )
    .addOption(inherited ? seed.default(undefined, "the run's, or 0") : seed.default(SPLIT_DEFAULTS.splitSeed));
}

/** Adds `--labels`, for commands that compare a model's classes with the data's. Returns the command it was given. */
export function addLabelsOption(command: Command): Command {
  return command
    .optionsGroup('Data:')
    .option(
      '--labels <file>',
      'which of the model\'s classes the data\'s are, where their names differ: JSON {"data\'s": "model\'s"}, or the ' +
        "data's names, one a line, in the order of the model's classes",
    );
}

/** What the flag of `addLabelsOption` holds. */
export interface LabelsFlags {
  readonly labels?: string;
}

/** Adds `--cache`, for commands that go over pictures again and again. Returns the command it was given. */
export function addCacheOption(command: Command): Command {
  return command
    .optionsGroup('Data:')
    .option(
      '--cache <dir>',
      'of picture files: decode all before the first step and keep them in a file here, which later runs find, too. ' +
        'It is checked against the pictures, and made again where they have changed. Takes 150 kB a picture of 224 ' +
        'pixels a side; with --augment crop as much as the whole ones decoded',
    );
}

/** What the flag of `addCacheOption` holds. */
export interface CacheFlags {
  readonly cache?: string;
}

/**
 * How far a cache of pictures is while it is made, told to the user, who may interrupt; undefined without --cache.
 * Usage error where the data holds texts.
 */
export function cacheOptions(
  { cache }: CacheFlags,
  { kind }: Pick<Dataset, 'kind'>,
  { stderr, signal }: Io,
): CacheOptions | undefined {
  if (cache === undefined) return undefined;
  if (kind === 'text')
    throw usageError('--cache is for pictures, and the data holds texts', 'Texts are tokenized once in any case.');
  if (cache === '') throw usageError('--cache is empty: expected a folder');
  let progress: Progress | null = null;
  return {
    folder: cache,
    signal,
    onPicture(done, total) {
      progress ??= createProgress(stderr, 'cache');
      progress.update(done, total, 'pictures decoded');
      if (done < total) return;
      // Each part of the data begins anew.
      progress.end();
      progress = null;
    },
  };
}

/**
 * How data without a split of its own is split unless flags or a run's record say otherwise: the share held out of each
 * class, and the seed that chooses.
 */
export const SPLIT_DEFAULTS = { validationFraction: 0.2, splitSeed: 0 } as const;

const COLUMNS = ['textColumn', 'textPairColumn', 'labelColumn', 'labelSeparator', 'task'] as const;

/**
 * Data flags whose split is the one that a run was trained with: what it held out is what it may be judged on.
 * So are its columns, and what its labels are. Flags that were given win.
 */
export function inheritSplit<F extends Partial<DataFlags>>(
  flags: F,
  configuration: Readonly<Record<string, unknown>> | undefined,
): F & DataFlags {
  const recorded = (name: keyof typeof SPLIT_DEFAULTS): number => {
    const value = flags[name] ?? configuration?.[name];
    return typeof value === 'number' ? value : SPLIT_DEFAULTS[name];
  };
  const column = (name: (typeof COLUMNS)[number]): unknown => flags[name] ?? configuration?.[name];
  const columns = Object.fromEntries(
    COLUMNS.flatMap((name) => (column(name) === undefined ? [] : [[name, column(name)]])),
  );
  return {
    ...flags,
    ...columns,
    skipBad: flags.skipBad ?? false,
    validationFraction: recorded('validationFraction'),
    splitSeed: recorded('splitSeed'),
  };
}

/** How data without a split of its own is split. */
export interface SplitFlags {
  readonly validationFraction: number;
  /** Apart from --seed, so that runs of several seeds are judged on the same samples, which none of them trained on. */
  readonly splitSeed: number;
}

/**
 * What the flags of `addDataOptions` hold once `inheritSplit` has filled in the split. Columns are guessed where they
 * are absent.
 */
export interface DataFlags extends SplitFlags {
  readonly data?: string;
  readonly textColumn?: string;
  readonly textPairColumn?: string;
  readonly labelColumn?: string | readonly string[];
  readonly labelSeparator?: string;
  readonly task?: Task;
  readonly skipBad: boolean;
}

/** Most data is read before a progress would be of use. */
const QUIET_MS = 2000;

/**
 * The data set that the flags name; with `judging` one that is to judge a model, and `takes` what that takes. Tells how
 * far it is where counting its rows takes long.
 */
export async function openData(
  path: string,
  { splitSeed, skipBad, validationFraction, textColumn, textPairColumn, labelColumn, labelSeparator, task }: DataFlags,
  { stderr, signal }: Io,
  { judging, takes }: Pick<DatasetOptions, 'judging' | 'takes'> = {},
): Promise<Dataset> {
  const progress = createProgress(stderr, 'data');
  const began = performance.now();
  const onRead = (share: number): void => {
    throwIfInterrupted(signal);
    if (performance.now() - began > QUIET_MS) progress.update(Math.floor(1000 * share) / 10, 100, '% read');
  };
  try {
    return await openDataset(path, {
      seed: splitSeed,
      skipBad,
      validationFraction,
      textColumn,
      textPairColumn,
      labelColumn,
      labelSeparator,
      task: task && TASKS[task],
      judging,
      takes,
      onRead,
    });
  } finally {
    progress.end();
  }
}

/**
 * Adds `--engine`, `--device`, `--devices`, `--precision` and `--threads`, whose values make an `EngineChoice`.
 * Returns the command it was given.
 */
export function addEngineOptions(command: Command): Command {
  return command
    .optionsGroup('Engine:')
    .addOption(
      new Option('--device <name>', 'where to compute; auto takes the best that is here')
        .choices(DEVICES)
        .default('auto'),
    )
    .addOption(
      new Option('--engine <name>', 'what computes')
        .choices(ENGINES)
        .default(undefined, 'onnx on a CPU and on webgpu, else xla'),
    )
    .addOption(
      new Option('--devices <n>', 'GPUs or TPUs of this machine that share each batch')
        .argParser(integer(1, 1024))
        .default(undefined, '1'),
    )
    .addOption(
      new Option('--precision <type>', 'what products of matrices take; all else is f32')
        .choices(PRECISIONS)
        .default(undefined, 'bf16 where the device is made for it, else f32'),
    )
    .addOption(
      new Option('--threads <n>', 'threads of the onnx engine on a CPU')
        .argParser(integer(1, 1024))
        .default(undefined, 'all processors'),
    );
}

/** Where an adapter's base model is, for commands that read a model's folder. */
export function addBaseOption(command: Command): Command {
  return command.option(
    '--base <model>',
    "of a folder with a PEFT adapter: its base model's folder, or name on the hub, where the adapter does not lead there",
  );
}

/** What the flag of `addBaseOption` holds. */
export interface BaseFlags {
  readonly base?: string;
}

/** Where a model may come from, for commands that read one by name. */
export function addModelOptions(command: Command): Command {
  return addBaseOption(command.optionsGroup('Model:'))
    .option('--offline', 'download nothing: a name on the hub must be in the cache')
    .addOption(
      new Option('--max-tokens <n>', 'texts are cut after so many tokens')
        .argParser(integer(4, 65_536))
        .default(undefined, "the model's longest, at most 512; of presets 128"),
    );
}

/**
 * What the flags of `addModelOptions` hold; `maxTokens` counts special tokens, and is left to the model where it is
 * absent.
 */
export interface ModelFlags extends BaseFlags {
  readonly offline: boolean;
  readonly maxTokens?: number;
}

/** Adds `--out` and `--overwrite`, for commands that make a run. Returns the command it was given. */
export function addRunOptions(command: Command): Command {
  return command
    .optionsGroup('Run:')
    .option('--out <dir>', 'folder of the new run')
    .option('--overwrite', 'replace the run that is there');
}

/** A flag's default, or how what depends on more is told. */
function defaultOf(value: number | { readonly told: string }): [number | undefined, string?] {
  return typeof value === 'number' ? [value] : [undefined, value.told];
}

/**
 * Adds the flags of a training loop and `--resume`, with the command's own defaults for three of them. Returns the
 * command it was given.
 */
export function addTrainingOptions(
  command: Command,
  defaults: {
    readonly epochs: number;
    readonly learningRate: number | { readonly told: string };
    readonly batchSize: number;
  },
): Command {
  return command
    .optionsGroup('Training:')
    .addOption(
      new Option('--epochs <n>', 'passes over the training data')
        .argParser(number(0, Infinity, { above: true }))
        .default(defaults.epochs),
    )
    .addOption(
      new Option('--steps <n>', 'optimizer steps, instead of --epochs').argParser(integer(1)).conflicts('epochs'),
    )
    .addOption(
      new Option('--batch-size <n>', 'samples a step')
        .argParser(integer(1, MAX_BATCH_SIZE))
        .default(defaults.batchSize),
    )
    .addOption(
      new Option('--accumulate <n>', 'compute a batch in so many parts, one after another: for those that do not fit')
        .argParser(integer(1, 65536))
        .default(undefined, '1'),
    )
    .addOption(
      new Option('--learning-rate <x>', 'peak learning rate, which falls over all steps')
        .argParser(number(0, 10, { above: true }))
        .default(...defaultOf(defaults.learningRate)),
    )
    .addOption(
      new Option('--learning-rate-schedule <name>', 'how it falls').choices(LEARNING_RATE_SHAPES).default('cosine'),
    )
    .addOption(
      new Option('--learning-rate-floor <x>', 'share of the peak at which it ends').argParser(number(0, 1)).default(0),
    )
    .addOption(
      new Option('--warmup-steps <n>', 'steps of linear warm-up')
        .argParser(integer(0))
        .default(undefined, 'a tenth, at most 100'),
    )
    .addOption(new Option('--weight-decay <x>', "AdamW's decoupled weight decay").argParser(number(0, 1)).default(0))
    .addOption(
      new Option('--clip-norm <x>', 'largest global gradient norm; 0: no limit').argParser(number(0)).default(1),
    )
    .addOption(
      new Option(
        '--augment <list>',
        'of pictures: none, or of flip, shift:PIXELS, pad:PIXELS, crop:SCALE (see README)',
      ).default(undefined, 'flip'),
    )
    .addOption(
      new Option('--evaluate-every <n>', 'steps between evaluations')
        .argParser(integer(1))
        .default(undefined, 'an epoch, at most ten in all'),
    )
    .addOption(
      new Option('--select <which>', 'weights to keep: the last, or the best on the evaluation data')
        .choices(['last', 'best'])
        .default('last'),
    )
    .addOption(new Option('--resume', 'go on where the run in --out stopped').conflicts('overwrite'))
    .option('--report', 'when it is done, write report.html into the run: the page of slim report');
}

/** Flags that say how to report, not what to do: they are no part of a run's configuration. */
const NOT_CONFIGURATION = new Set(['json', 'config', 'overwrite', 'resume', 'report']);

/** What runs record in their configuration beside flags: passed over where that is given back. */
const RECORDED = new Set(['trainedOn', 'pairs']);

/**
 * The flags of a command: the command line over the config file over the defaults.
 * Usage errors name a key that no flag has, and a value that its flag refuses.
 */
export async function resolveFlags<F>(command: Command): Promise<F> {
  const path = command.opts().config as string | undefined;
  if (path !== undefined) applyConfig(command, await readConfig(path), path);
  const switches = command.options
    .filter((option) => option.isBoolean())
    .map((option) => [option.attributeName(), false] as const);
  return { ...Object.fromEntries(switches), ...command.opts() } as F;
}

/** A configuration that can't be read is wrong usage, as a wrong flag is. */
async function readConfig(path: string): Promise<unknown> {
  return readJson(path).catch((error: unknown) => {
    throw usageError(`--config: ${messageOf(error)}`);
  });
}

/** What a run remembers of its flags. */
export function configurationOf(flags: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(flags).filter(([name]) => !NOT_CONFIGURATION.has(name)));
}

function applyConfig(command: Command, json: unknown, path: string): void {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw usageError(`${path}: expected an object of flags`);
  for (const [key, value] of Object.entries(json)) {
    if (RECORDED.has(key)) continue;
    const option = command.options.find((candidate) => candidate.attributeName() === key);
    if (!option || NOT_CONFIGURATION.has(key)) {
      const known = command.options
        .map((candidate) => candidate.attributeName())
        .filter((name) => !NOT_CONFIGURATION.has(name));
      throw usageError(
        `${path}: ${command.name()} has no flag for ${JSON.stringify(key)}`,
        `Known: ${known.join(', ')}.`,
      );
    }
    const parsed = configValue(option, value, path);
    const given = (name: string): boolean => command.getOptionValueSource(name) === 'cli';
    // --epochs, given here, also wins over the file's steps.
    if (given(key) || (key === 'steps' && given('epochs'))) continue;
    command.setOptionValueWithSource(key, parsed, 'config');
  }
}

function configValue(option: Option, value: unknown, path: string): unknown {
  const wrong = (why: string): Error =>
    usageError(`${path}: ${option.attributeName()} is ${JSON.stringify(value)}. ${why}`);
  if (option.isBoolean()) {
    if (typeof value !== 'boolean') throw wrong('Expected true or false.');
    return value;
  }
  if (option.variadic) {
    if (!Array.isArray(value)) throw wrong('Expected a list.');
    return value.reduce((known: unknown, item) => parseWith(option.parseArg ?? String, String(item), known, wrong), []);
  }
  if (option.parseArg === labelColumn && Array.isArray(value)) return value.map(String);
  if (option.parseArg === layerRank && typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return Object.entries(value).reduce<Record<string, number>>(
      (known, [name, rank]) => parseWith(layerRank, `${name}=${String(rank)}`, known, wrong),
      {},
    );
  }
  if (!option.parseArg) {
    if (typeof value !== 'string') throw wrong('Expected a string.');
    return value;
  }
  if (typeof value !== 'string' && typeof value !== 'number') throw wrong('Expected a string or a number.');
  return parseWith(option.parseArg, String(value), undefined, wrong);
}

function parseWith<T>(parse: (text: string, known: T) => T, text: string, known: T, wrong: (why: string) => Error): T {
  try {
    return parse(text, known);
  } catch (error) {
    if (error instanceof InvalidArgumentError) throw wrong(error.message);
    throw error;
  }
}

/**
 * What gives a flag a value that was parsed, word by word: once, or once for each of several values. The inverse of
 * parsing; nothing for a switch that is off.
 */
export function wordsOf(option: Option, value: unknown): readonly (readonly string[])[] {
  const flag = option.long!;
  if (option.isBoolean()) return value === true ? [[flag]] : [];
  if (option.variadic) return (value as []).length === 0 ? [] : [[flag, ...(value as unknown[]).map(String)]];
  if (Array.isArray(value)) return value.map((one) => [flag, String(one)]);
  if (typeof value === 'object' && value !== null)
    return Object.entries(value).map(([name, one]) => [flag, `${name}=${String(one)}`]);
  return [[flag, String(value)]];
}

/** A flag that must be there, on the command line or in the config file. */
export function required(value: string | undefined, flag: string): string {
  if (value === undefined || value === '')
    throw usageError(`${flag} is missing`, 'Give it here or in --config. See --help for examples.');
  return value;
}
