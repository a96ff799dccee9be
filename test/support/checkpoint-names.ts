import { tensorsOf } from '../../cli/models/layers.ts';
import type { Checkpoint } from '../../cli/pretrained/checkpoint.ts';

/** Hugging Face's name of each tensor of the layer table; the first, where several of theirs hold one of ours. */
export function checkpointNames({
  architecture,
  config,
  model,
}: Pick<Checkpoint, 'architecture' | 'config' | 'model'>): ReadonlyMap<string, string> {
  return new Map(tensorsOf(model.layers).map((spec) => [spec.name, architecture.storedAs(spec, config)[0].name]));
}
