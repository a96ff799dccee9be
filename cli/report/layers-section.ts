/** Ranks, parameters and multiply-accumulates, layer by layer. */
import { formatMacs, grouped } from '../io/units.ts';
import { blockCount, isFused, kindOf, parameterCount, rankedOf, tensorsOf } from '../models/layers.ts';
import type { Model } from '../models/model.ts';
import { macsByLayer } from '../pclora/cost.ts';
import { denseParts, tensorsLeft } from '../pclora/linear.ts';
import { partsOf } from '../train/trained-model.ts';
import { type Content, type Html, html } from './html.ts';
import type { Subject } from './subject.ts';
import { cells, scrolling } from './table.ts';

/** What a layer costs, dense and as it is left. Query, key and value that share A are one layer. */
export interface LayerCost {
  readonly name: string;
  readonly block: number | null;
  /** null where it has no adapters. */
  readonly rank: number | null;
  readonly dense: Counts;
  readonly left: Counts;
}

interface Counts {
  readonly parameters: number;
  readonly macs: number;
}

/** What belongs to no layer: the products of queries with keys, and of what comes of them with values. */
const ATTENTION = 'attention';

/** Every layer of the table, and attention, whose costs no rank changes. */
export function layerCosts(model: Model, compression: Subject['compression']): LayerCost[] {
  const ranks = new Map(Object.entries(compression?.ranks ?? {}));
  const before = macsByLayer(model, denseParts(tensorsOf(model.layers)));
  const after = macsByLayer(model, partsOf({ model, compression }));
  const layers = rankedOf(model.layers, isFused(ranks)).map(({ layer, parts }) => {
    const names = new Set([layer, ...parts].map(({ name }) => name));
    const macsOf = (byLayer: ReadonlyMap<string, number>): number =>
      [...names].reduce((sum, name) => sum + (byLayer.get(name) ?? 0), 0);
    const left = compression === null ? tensorsOf(parts) : tensorsLeft(parts, ranks);
    return {
      name: layer.name,
      block: layer.block,
      rank: ranks.get(layer.name) ?? null,
      dense: { parameters: parameterCount(tensorsOf(parts)), macs: macsOf(before) },
      left: { parameters: parameterCount(left), macs: macsOf(after) },
    };
  });
  const attention = (byLayer: ReadonlyMap<string, number>): Counts => ({
    parameters: 0,
    macs: byLayer.get(ATTENTION) ?? 0,
  });
  return [
    ...layers,
    { name: 'attention itself', block: null, rank: null, dense: attention(before), left: attention(after) },
  ];
}

/** The ranks as a map of blocks and kinds of layers, and a table of all, of each subject; null where no model is known. */
export function layersSection(subjects: readonly Subject[]): Html | null {
  // A quantized run has the layers of the run that it was made of.
  const told = subjects.filter(
    ({ description, compression }, i) =>
      description !== null &&
      subjects.findIndex((other) => JSON.stringify(other.compression) === JSON.stringify(compression)) === i,
  );
  if (told.length === 0) return null;
  return html`<section aria-labelledby="layers"><h2 id="layers">Layer by layer</h2>${told.map(layersOf)}</section>`;
}

function layersOf({ name, description, compression }: Subject): Html {
  const { architecture, config } = description!;
  const costs = layerCosts(architecture.create(config), compression);
  return html`<article><h3>${name}</h3>${compression === null ? null : rankMap(name, costs)}
<details><summary>Every layer<span class="unseen"> of ${name}</span></summary>${scrolling(
    `Layers of ${name}`,
    compression === null ? denseTable(costs) : table(costs),
  )}</details></article>`;
}

/** Blocks from top to bottom, kinds of layers from left to right; the higher the rank, the stronger the colour. */
function rankMap(name: string, costs: readonly LayerCost[]): Html {
  const adapted = costs.filter(({ block, rank }) => block !== null && rank !== null);
  const kinds = [...new Set(adapted.map(kindOf))];
  const most = Math.max(...adapted.map(({ rank }) => rank!));
  if (adapted.every(({ rank }) => rank === most))
    return html`<p>Rank ${most} in each of the ${adapted.length} adapted layers.</p>`;
  const byName = new Map(adapted.map((cost) => [cost.name, cost]));
  const cell = (block: number, kind: string): Html => {
    const rank = byName.get(`block.${block}.${kind}`)?.rank ?? null;
    return rank === null
      ? html`<td></td>`
      : html`<td class="heat" style="--heat:${Math.round((100 * rank) / most)}%">${rank}</td>`;
  };
  return scrolling(
    `Ranks of ${name}`,
    html`<table class="map"><caption>Ranks</caption><thead><tr><th scope="col">Block</th>${kinds.map(
      (kind) => html`<th scope="col">${kind}</th>`,
    )}</tr></thead><tbody>${Array.from(
      { length: blockCount(costs.map((cost) => ({ ...cost, kind: 'linear', tensors: [] }))) },
      (_, block) => html`<tr><th scope="row">${block}</th>${kinds.map((kind) => cell(block, kind))}</tr>`,
    )}</tbody></table>`,
  );
}

function table(costs: readonly LayerCost[]): Html {
  return cells(
    ['Layer', 'Rank', 'Parameters', 'left', 'MACs', 'left'],
    withTotal(costs).map(({ name, rank, dense, left }): Content[] => [
      name,
      rank === null ? '' : String(rank),
      grouped(dense.parameters),
      grouped(left.parameters),
      formatMacs(dense.macs),
      formatMacs(left.macs),
    ]),
  );
}

function denseTable(costs: readonly LayerCost[]): Html {
  return cells(
    ['Layer', 'Parameters', 'MACs'],
    withTotal(costs).map(({ name, dense }): Content[] => [name, grouped(dense.parameters), formatMacs(dense.macs)]),
  );
}

function withTotal(costs: readonly LayerCost[]): LayerCost[] {
  const sum = (part: 'dense' | 'left'): Counts => ({
    parameters: costs.reduce((total, cost) => total + cost[part].parameters, 0),
    macs: costs.reduce((total, cost) => total + cost[part].macs, 0),
  });
  return [...costs, { name: 'all', block: null, rank: null, dense: sum('dense'), left: sum('left') }];
}
