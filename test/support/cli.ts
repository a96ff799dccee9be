/** The command line in this process, and small things for it to work on. */

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { expect } from 'vitest';
import { main } from '../../cli/main.ts';
import { tensorsOf } from '../../cli/models/layers.ts';
import type { Architecture, ModelConfig } from '../../cli/pretrained/architecture.ts';
import { bertArchitecture } from '../../cli/pretrained/bert-checkpoint.ts';
import { saveCheckpoint } from '../../cli/pretrained/checkpoint.ts';
import { initialTensors } from '../../cli/pretrained/initial.ts';
import type { Preprocessing } from '../../cli/pretrained/preprocessing.ts';
import { textLimits } from '../../cli/pretrained/texts.ts';
import { vitArchitecture } from '../../cli/pretrained/vit-checkpoint.ts';
import { trainWordPiece } from '../../cli/text/train-wordpiece.ts';
import type { ProblemType } from '../../runtime/artifact/problem-type.ts';
import { defaultImagePreprocess } from '../../runtime/preprocess/spec.ts';
import { random } from '../../runtime/random.ts';
import { createTokenizer } from '../../runtime/text/tokenizer.ts';

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface SlimOptions {
  readonly signal?: AbortSignal;
  /** Told of everything written to stderr. */
  readonly onStderr?: (text: string) => void;
  /** Told of everything written to stdout. */
  readonly onStdout?: (text: string) => void;
}

/** Runs a command line, with one thread where it computes. */
export async function slim(
  args: readonly string[],
  { signal = new AbortController().signal, onStderr, onStdout }: SlimOptions = {},
): Promise<Outcome> {
  const written = { stdout: '', stderr: '' };
  const stdout = {
    write: (text: string) => {
      written.stdout += text;
      onStdout?.(text);
    },
  };
  const stderr = {
    write: (text: string) => {
      written.stderr += text;
      onStderr?.(text);
    },
  };
  const code = await main(args, { stdout, stderr, signal });
  return { code, ...written };
}

/** The result of a command that must succeed, from its --json. */
export async function slimJson(args: readonly string[], options?: SlimOptions): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await slim([...args, '--json'], options);
  if (code !== 0) throw new Error(`slim ${args.join(' ')}: exit code ${code}\n${stderr}`);
  return JSON.parse(stdout) as Record<string, unknown>;
}

/** A folder that `remove` takes away again. */
export function workFolder(): { path(...names: string[]): string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'slim-cli-'));
  return { path: (...names) => join(folder, ...names), remove: () => rmSync(folder, { recursive: true, force: true }) };
}

export const TINY_LABELS = ['dark', 'grey', 'light'];

export interface TinySizes {
  /** Height and width of its pictures. */
  readonly pixels?: number;
  readonly width?: number;
}

/** A random ViT as a Hugging Face folder: 2 blocks, 2 heads, 4 patches. Of 16 pixels and 16 wide, a step takes a few milliseconds. */
export async function writeTinyModel(
  folder: string,
  labels: readonly string[] = TINY_LABELS,
  { pixels = 16, width = 16 }: TinySizes = {},
): Promise<void> {
  const config = {
    variant: 'vit' as const,
    imageSize: { height: pixels, width: pixels },
    patchSize: pixels / 2,
    channels: 3,
    hiddenSize: width,
    layers: 2,
    heads: 2,
    intermediateSize: 2 * width,
    layerNormEpsilon: 1e-6,
    activation: 'gelu' as const,
    initializerRange: 0.2,
    labels,
    problemType: 'single_label_classification' as const,
  };
  await saveRandom(vitArchitecture, config, { kind: 'image', image: defaultImagePreprocess(config.imageSize) }, folder);
}

/** A random BERT as a Hugging Face folder: 2 blocks, 128 wide, with a vocabulary learnt from these texts. */
export async function writeTinyBert(
  folder: string,
  texts: readonly string[],
  {
    labels = ['LABEL_0', 'LABEL_1'],
    problemType = 'single_label_classification',
  }: { readonly labels?: readonly string[]; readonly problemType?: ProblemType } = {},
): Promise<void> {
  const tokenizer = await trainWordPiece(texts, { vocabSize: 1000, lowercase: true });
  const config = {
    variant: 'bert' as const,
    vocabSize: createTokenizer(tokenizer).vocabSize,
    maxPositions: 512,
    typeVocabSize: 2,
    embeddingSize: 128,
    activation: 'gelu' as const,
    hiddenSize: 128,
    layers: 2,
    heads: 2,
    intermediateSize: 256,
    layerNormEpsilon: 1e-12,
    initializerRange: 0.02,
    tokens: 512,
    headDropout: 0.1,
    labels,
    problemType,
  };
  await saveRandom(
    bertArchitecture,
    config,
    { kind: 'text', tokenizer, maxTokens: 512, types: true, limits: textLimits(config) },
    folder,
  );
}

async function saveRandom<C extends ModelConfig>(
  architecture: Architecture<C>,
  config: C,
  preprocessing: Preprocessing,
  folder: string,
): Promise<void> {
  const model = architecture.create(config);
  const tensors = initialTensors(tensorsOf(model.layers), config.initializerRange, random(7));
  mkdirSync(folder, { recursive: true });
  await saveCheckpoint(folder, { architecture: architecture as Architecture, config, model, preprocessing }, tensors);
}

/**
 * An image folder whose classes differ in brightness, and overlap: what is learnt is neither nothing nor everything.
 */
export async function writePictures(
  folder: string,
  { train = 16, val = 12, labels = TINY_LABELS }: { train?: number; val?: number; labels?: readonly string[] } = {},
): Promise<void> {
  for (const [split, count] of [
    ['train', train],
    ['val', val],
  ] as const) {
    for (const [label, name] of labels.entries()) {
      mkdirSync(join(folder, split, name), { recursive: true });
      for (let i = 0; i < count; i++)
        writeFileSync(
          join(folder, split, name, `${i}.png`),
          await grey(80 + 48 * label, random(label, i, split.length)),
        );
    }
  }
}

/** A picture of 16×16 pixels about that bright, as PNG. */
export function grey(mean: number, source: ReturnType<typeof random>): Promise<Buffer> {
  const brightness = mean + 28 * source.normal();
  const pixels = Buffer.from(
    Array.from({ length: 16 * 16 * 3 }, () =>
      Math.min(255, Math.max(0, Math.round(brightness + 30 * source.normal()))),
    ),
  );
  return sharp(pixels, { raw: { width: 16, height: 16, channels: 3 } })
    .png()
    .toBuffer();
}

const GOOD = ['lovely', 'warm', 'funny', 'brilliant', 'tender', 'gripping'];
const BAD = ['dull', 'awful', 'clumsy', 'boring', 'hollow', 'tedious'];
const FILLER = [
  'the',
  'film',
  'is',
  'a',
  'story',
  'about',
  'people',
  'and',
  'its',
  'music',
  'scenes',
  'with',
  'an',
  'ending',
  'that',
  'feels',
];

/**
 * One made-up review: filler of a length of its own, and two words of which both tell the label, or one in ten times
 * one lies.
 */
export function review(label: number, source: ReturnType<typeof random>): string {
  const words = Array.from({ length: 4 + source.below(18) }, () => FILLER[source.below(FILLER.length)]);
  for (let i = 0; i < 2; i++) {
    const told = source.uniform() < 0.1 ? 1 - label : label;
    words.splice(source.below(words.length + 1), 0, (told === 1 ? GOOD : BAD)[source.below(GOOD.length)]);
  }
  return `${words.join(' ')}.`;
}

/** Texts as JSON lines: train.jsonl and validation.jsonl, labels `neg` and `pos`. */
export function writeReviews(folder: string, { train = 200, validation = 60 } = {}): void {
  mkdirSync(folder, { recursive: true });
  for (const [part, count] of [
    ['train', train],
    ['validation', validation],
  ] as const) {
    const source = random(5, count);
    const lines = Array.from({ length: count }, (_, i) =>
      JSON.stringify({ text: review(i % 2, source), label: ['neg', 'pos'][i % 2] }),
    );
    writeFileSync(join(folder, `${part}.jsonl`), `${lines.join('\n')}\n`);
  }
}

export interface MetricsLine {
  readonly step: number;
  readonly epoch: number;
  readonly lambda: number | null;
  readonly learningRate?: number;
  readonly loss?: number;
  readonly task?: number;
  readonly feature?: number;
  readonly logit?: number;
  readonly relation?: number;
  readonly gradientNorm?: number;
  readonly msPerStep?: number;
  readonly dataMs?: number;
  readonly accuracy?: number;
  readonly samples?: number;
}

/** metrics.jsonl of a run. Throws where a line is no JSON. */
export function readMetrics(run: string): MetricsLine[] {
  const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8').split('\n');
  if (lines.pop() !== '') throw new Error('metrics.jsonl: the last line is cut short');
  return lines.map((line) => JSON.parse(line) as MetricsLine);
}

/** Holds the losses and gradients' norms of two runs together, step by step, and that there are `steps` of them. */
export function expectSameLosses(run: string, reference: string, steps: number, tolerance: number): void {
  const [lines, expected] = [run, reference].map((folder) =>
    readMetrics(folder).filter(({ loss }) => loss !== undefined),
  );
  expect(lines.map(({ step }) => step)).toEqual(Array.from({ length: steps }, (_, step) => step));
  for (const [i, line] of lines.entries()) {
    for (const name of ['loss', 'task', 'gradientNorm'] as const)
      expect(Math.abs(line[name]! / expected[i][name]! - 1), `${name} of step ${i}`).toBeLessThan(tolerance);
    // At step 0 the student is the teacher, and their distance rounding.
    expect(Math.abs(line.feature! - expected[i].feature!), `feature of step ${i}`).toBeLessThan(tolerance * line.loss!);
  }
}

/** What `readMetrics` gives, without the timings. */
export function untimed(lines: readonly MetricsLine[]): Omit<MetricsLine, 'msPerStep' | 'dataMs'>[] {
  return lines.map(({ msPerStep: _, dataMs: __, ...line }) => line);
}

export function readRecord(run: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(run, 'run.json'), 'utf8')) as Record<string, unknown>;
}
