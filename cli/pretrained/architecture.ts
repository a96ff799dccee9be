import type { ProblemType } from '../../runtime/artifact/problem-type.ts';
import type { JsonObject } from '../../runtime/artifact/schema.ts';
import { elementCount, type Shape } from '../graph/graph.ts';
import type { BertConfig } from '../models/bert.ts';
import type { TensorSpec } from '../models/layers.ts';
import type { Model } from '../models/model.ts';
import type { VitConfig } from '../models/vit.ts';
import type { Preprocessing } from './preprocessing.ts';
import type { Shapes } from './reading.ts';
import type { Tensors } from './tensor-file.ts';

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
  /** An adapter's base, where its adapter_config.json does not lead to it: a folder, or a name on the hub. */
  readonly base?: string;
  /** Of a base on the hub, only what the cache holds. */
  readonly offline?: boolean;
}

/** One of their tensors that holds all of ours, or a part of it. */
export interface StoredPart {
  readonly name: string;
  /** Whether no file holds it: zeros. */
  readonly absent: boolean;
  readonly shape: Shape;
  /** How many of its first values are not ours: left out when read; when written, another part's, or zeros. */
  readonly unused: number;
  /** The same of its last ones. */
  readonly behind: number;
  /** theirs = factor · ours */
  readonly factor: number;
  /** Their vector with a factor for each row of the tensor, which is multiplied in when it is read (LayerScale). */
  readonly rowScale: string | null;
}

/** How a checkpoint's tensors are found: by an architecture's own names, or as another library has them. */
export interface Reading<C> {
  /** Their tensors that hold one of ours, one after the other. */
  storedAs(spec: TensorSpec, config: C): readonly StoredPart[];
  /** What a checkpoint without a task head leaves out before each name. */
  readonly basePrefix: string;
  /** Other spellings of the same names, as of older versions. */
  readonly aliases?: readonly (readonly [name: RegExp, alias: string])[];
}

/** A tensor that transformers looks for and Slim has no use for, all of one value. */
export interface ConstantTensor {
  readonly name: string;
  readonly shape: Shape;
  readonly value: number;
}

/**
 * How one architecture is read from, and written to, a Hugging Face folder. A config goes only to the architecture that
 * read it, so that an `Architecture<VitConfig>` serves as an `Architecture`.
 */
export interface Architecture<C extends ModelConfig = ModelConfig> extends Reading<C> {
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
  /** A parsed config.json with what only the tensors tell. */
  toldBy?(json: JsonObject, shapes: Shapes): JsonObject;
  /** How weights are read that another library wrote, in its own names; null where they are none such. */
  foreign?(shapes: Shapes, path: string): Reading<C> | null;
  /** What is written beside these. */
  constants?(config: C): readonly ConstantTensor[];
  /** The same model in tensors of which everything has its place in the checkpoint. */
  settled?(tensors: Tensors, config: C): Tensors;
  /** Their tensor whose first row is added to every row of ours when it is read; null for most. */
  addedRow?(spec: TensorSpec, stored: C): StoredPart | null;
  /** A tensor of `stored` for the sizes of `config`; a sentence goes to `notices` where it changes. */
  adapt(
    spec: TensorSpec,
    data: Float32Array<ArrayBuffer>,
    stored: C,
    config: C,
    notices: string[],
  ): Float32Array<ArrayBuffer>;
}

/** Their tensor that holds just what ours holds, in the same order. */
export function wholePart(
  name: string,
  shape: Shape,
  { unused = 0, behind = 0, factor = 1, rowScale = null }: Partial<StoredPart> = {},
): StoredPart {
  return { name, absent: false, shape, unused, behind, factor, rowScale };
}

/** What ours holds and theirs does not: zeros. */
export function absentPart(shape: Shape): StoredPart {
  return { ...wholePart('', shape), absent: true };
}

/** Of their tensor, the `index`th of `count` equal parts, one after the other, each of this shape. */
export function slicePart(name: string, [rows, ...others]: Shape, index: number, count: number): StoredPart {
  const size = elementCount([rows, ...others]);
  return wholePart(name, [count * rows, ...others], { unused: index * size, behind: (count - 1 - index) * size });
}

/** How many values of ours a part holds. */
export function usedCount({ shape, unused, behind }: StoredPart): number {
  return elementCount(shape) - unused - behind;
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
