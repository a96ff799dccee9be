import type { Shape } from '../graph/graph.ts';
import type { Model } from '../models/model.ts';
import type { VitConfig } from '../models/vit.ts';

/** A model's sizes. One member per architecture. */
export type ModelConfig = VitConfig;

/** How one architecture is read from, and written to, a Hugging Face folder. */
export interface Architecture {
  readonly modelType: string;
  /** UserErrors name the file, the field, what was expected and what came. */
  readConfig(json: unknown, path: string): ModelConfig;
  /** UserError when the sizes of a config don't go together; `where` begins its message. */
  checkConfig(config: ModelConfig, where: string): void;
  writeConfig(config: ModelConfig): Record<string, unknown>;
  create(config: ModelConfig): Model;
  /** Their name of a tensor of the layer table. */
  checkpointName(name: string): string;
  /** Their shape of it; the elements are the same in the same order. */
  checkpointShape(name: string, shape: Shape, config: ModelConfig): Shape;
  /** What a checkpoint without a task head leaves out before each name. */
  readonly basePrefix: string;
}
