/** What a change set would do to a stack. */
import { isDeepStrictEqual } from 'node:util';
import { evaluate } from './intrinsics.ts';
import type { Physical, ResourceType, ResourceTypes } from './resource-type.ts';
import { scopeOf, wantedResources } from './scope.ts';
import type { Desired, Stack, StackResource } from './stacks.ts';
import type { Json } from './template.ts';

export interface ResourceChange {
  readonly action: 'Add' | 'Modify' | 'Remove';
  readonly logicalId: string;
  readonly physicalId: string | undefined;
  readonly type: string;
  /** Of what is modified. */
  readonly replacement?: boolean;
  /** What of it is modified. */
  readonly properties?: readonly string[];
  readonly tags?: boolean;
}

/** What differs in a resource. */
export interface Difference {
  readonly properties: readonly string[];
  /** Whether it takes another resource. */
  readonly replacement: boolean;
}

export function differenceOf({ fixed }: ResourceType, before: Json, after: Json): Difference {
  const [old, now] = [before, after] as Record<string, Json>[];
  const properties = [...new Set([...Object.keys(old), ...Object.keys(now)])].filter(
    (name) => !isDeepStrictEqual(old[name], now[name]),
  );
  return { properties, replacement: properties.some((name) => fixed === null || fixed.includes(name)) };
}

export function changesOf(stack: Stack, desired: Desired, types: ResourceTypes): ResourceChange[] {
  const wanted = wantedResources(stack, desired);
  /** Those that stay as they are, or are changed where they are. */
  const staying = new Map<string, StackResource>();
  const physicalOf = (logicalId: string): Physical => staying.get(logicalId)?.physical ?? UNKNOWN;
  const tagsChange = !isDeepStrictEqual(stack.current.tags, desired.tags);

  function changeOf(logicalId: string): ResourceChange | null {
    const { Type, Properties = {} } = desired.template.Resources[logicalId];
    const existing = stack.resources.get(logicalId);
    if (existing === undefined) return { action: 'Add', logicalId, physicalId: undefined, type: Type };
    const { properties, replacement } = differenceOf(
      types[Type],
      existing.properties,
      evaluate(Properties, scopeOf(stack, desired, physicalOf)),
    );
    if (!replacement) staying.set(logicalId, existing);
    const tags = tagsChange && types[Type].tagged;
    if (properties.length === 0 && !tags) return null;
    return { action: 'Modify', logicalId, physicalId: existing.physical.id, type: Type, replacement, properties, tags };
  }

  const removed = [...stack.resources.values()].filter(({ logicalId }) => !wanted.includes(logicalId));
  return [
    ...wanted.map(changeOf).filter((change) => change !== null),
    ...removed.map(({ logicalId, type, physical }) => ({
      action: 'Remove' as const,
      logicalId,
      physicalId: physical.id,
      type,
    })),
  ];
}

/** A resource that is not there yet: what refers to it changes. */
const UNKNOWN: Physical = {
  id: '{{known after it is made}}',
  attributes: new Proxy<Record<string, string>>({}, { get: () => '{{known after it is made}}' }),
};
