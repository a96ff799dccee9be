/** How long programs take beside each other, told from their graphs before they run. */
import type { Engine } from '../engines/engine.ts';
import { macsOf, valuesOf } from '../graph/cost.ts';
import type { Graph } from '../graph/graph.ts';

/**
 * As how many multiply-accumulates a value counts that is written and read again. A GPU's products are so fast that
 * memory is most of its time. Ratios of measured steps (λ = 0 to λ > 0) are met within a tenth by these: ViT-B/16 0.46,
 * on an H100 0.81, BERT-base 0.46.
 */
const MACS_PER_VALUE = { processor: 12, accelerator: 400 } as const;

/** The work of a run, in multiply-accumulates and what counts as these. */
export function workOf(graph: Graph, { name }: Pick<Engine, 'name'>): number {
  const perValue = name === 'xla' ? MACS_PER_VALUE.accelerator : MACS_PER_VALUE.processor;
  return macsOf(graph).total + perValue * valuesOf(graph);
}
