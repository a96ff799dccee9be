import type { ProblemType } from '../../runtime/artifact/problem-type.ts';
import { elementCount, type Shape } from '../graph/graph.ts';
import type { BertConfig } from '../models/bert.ts';
import type { TensorSpec } from '../models/layers.ts';
import type { Model } from '../models/model.ts';
import type { VitConfig } from '../models/vit.ts';
import type { Preprocessing } from './preprocessing.ts';

/** A model's sizes. One member per architecture file of ../models. */
export type ModelConfig = VitConfig | BertConfig;

/** What the data ask of a checkpoint. */
export interface FitOptions {
  /** The data set's labels; where they are others than the checkpoint's, in whatever order, the head is made new. */
  readonly labels?: readonly string[];
  /** The data set's; where it is another than the checkpoint's, the head is made new. */
  readonly problemType?: ProblemType;
  /** Another size of pictures: position embeddings are interpolated. */
  readonly imageSize?: { readonly height: number; readonly width: number };
  /** The longest text in tokens, at most what the checkpoint has positions for. */
  readonly maxTokens?: number;
}

/** One of their tensors that holds all of ours, or a part of it. */
export interface StoredPart {
  readonly name: string;
  readonly shape: Shape;
  /** How many of its first values no input ever uses: left out when read, zeros when written. */
  readonly unused: number;
  /** theirs = factor · ours */
  readonly factor: number;
}

/**
 * How one architecture is read from, and written to, a Hugging Face folder. A config goes only to the architecture that
 * read it, so that an `Architecture<VitConfig>` serves as an `Architecture`.
 */
export interface Architecture<C extends ModelConfig = ModelConfig> {
  readonly modelType: string;
  /** UserErrors name the file, the field, what was expected and what came. */
  readConfig(json: unknown, path: string): C;
  /** UserError when the sizes of a config don't go together; `where` begins its message. */
  checkConfig(config: C, where: string): void;
  writeConfig(config: C): Record<string, unknown>;
  create(config: C): Model;
  /**
   * The config for these data, and how they become the model's inputs, by the files of the folder. UserError where the
   * two don't go together.
   */
  fit(
    folder: string,
    stored: C,
    options: FitOptions,
  ): Promise<{ readonly config: C; readonly preprocessing: Preprocessing }>;
  /** Their tensors that hold one of ours, one after the other. */
  storedAs(spec: TensorSpec, config: C): readonly StoredPart[];
  /** A tensor of `stored` for the sizes of `config`; a sentence goes to `notices` where it changes. */
  adapt(
    spec: TensorSpec,
    data: Float32Array<ArrayBuffer>,
    stored: C,
    config: C,
    notices: string[],
  ): Float32Array<ArrayBuffer>;
  /** What a checkpoint without a task head leaves out before each name. */
  readonly basePrefix: string;
}

/** Their tensor that holds just what ours holds, in the same order. */
export function wholePart(name: string, shape: Shape, { unused = 0, factor = 1 } = {}): StoredPart {
  return { name, shape, unused, factor };
}

/** How many values of ours a part holds. */
export function usedCount({ shape, unused }: StoredPart): number {
  return elementCount(shape) - unused;
}

/** Their name of a tensor of the layer table, by tables of both; `blocks` is what the blocks' names begin with. */
export function checkpointName(
  name: string,
  blocks: string,
  inBlock: Readonly<Record<string, string>>,
  others: Readonly<Record<string, string>>,
): string {
  const [, block, layer, suffix] = /^block\.(\d+)\.(\w+)\.(weight|bias)$/.exec(name) ?? [];
  const theirs =
    block === undefined ? others[name] : inBlock[layer] && `${blocks}.${block}.${inBlock[layer]}.${suffix}`;
  if (theirs === undefined) throw new Error(`no name for tensor ${name} in the checkpoint`);
  return theirs;
}
