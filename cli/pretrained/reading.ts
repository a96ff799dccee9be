/** What may stand before the names of all tensors of a checkpoint. */
import type { Shape } from '../graph/graph.ts';

/** The shape of every tensor of a checkpoint, by name. */
export type Shapes = ReadonlyMap<string, Shape>;

/** What training wraps a model in: PyTorch's DataParallel, Lightning, torch.compile. */
const WRAPPERS = ['', 'module.', 'model.', '_orig_mod.', 'module._orig_mod.', '_orig_mod.module.', 'model._orig_mod.'];

/** The prefix that a wrapper has put before the names of all tensors, told from a name that has to be there. */
export function wrapperOf(spellings: readonly string[], shapes: Shapes): string {
  return WRAPPERS.find((prefix) => spellings.some((name) => shapes.has(prefix + name))) ?? '';
}

/** The shapes under names without such a prefix, where most of them have it. */
export function unwrapped(shapes: Shapes): Shapes {
  const names = [...shapes.keys()];
  const prefix = WRAPPERS.toSorted((a, b) => b.length - a.length).find(
    (candidate) => candidate !== '' && names.length > 0 && names.every((name) => name.startsWith(candidate)),
  );
  return prefix ? new Map([...shapes].map(([name, shape]) => [name.slice(prefix.length), shape])) : shapes;
}
