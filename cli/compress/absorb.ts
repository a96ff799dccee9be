/**
 * What of a compressed model is constant, made ahead.
 *
 * Attention through low-rank layers: with q = B_q·a_q + c_q and k = B_k·a_k + c_k, where
 * a = A·x has r entries, the score of head h is
 *   q_h·k_h = (B_kh^T·B_qh·a_q + B_kh^T·c_qh)·a_k + (a term without k, which softmax ignores),
 * so a query of r entries against keys that all heads share. Likewise Σ p·v_h = B_vh·(Σ p·a_v) + c_vh, since Σ p = 1,
 * and what follows takes B_v in: A_o·B_v is (r, heads·r). The same function with smaller attention and fewer weights,
 * wherever r is below the width of a head (the absorption of Multi-head Latent Attention, DeepSeek-V2, arXiv
 * 2405.04434, section 2.1.2).
 *
 * Where queries, keys and values share A, a_q = a_k = a_v: the keys are the values, and what the queries are made of.
 *
 * A word table of two factors: s·B[ids]·A looks up rows of B, and what follows is a linear layer whose weight is s·Aᵀ.
 *
 * What a packed graph reads is made of values, once, and adds up in f64 (`absorb`). What trains as it will be packed is
 * made of nodes, anew each step, so that gradients pass through it (`absorbInGraph`).
 */

import type { Tensor } from '../../runtime/artifact/safetensors.ts';
import { inputsOf } from '../graph/cost.ts';
import { elementCount, type Graph, type Node, topological } from '../graph/graph.ts';
import { type AttentionAttributes, attention } from '../graph/ops/attention.ts';
import { scale } from '../graph/ops/binary.ts';
import { embedding, type LowRankEmbeddingAttributes } from '../graph/ops/embedding.ts';
import { gemm } from '../graph/ops/gemm.ts';
import { input, inputName } from '../graph/ops/leaf.ts';
import { type LinearAttributes, type LowRankAttributes, linear, lowRankLinear } from '../graph/ops/linear.ts';
import { matmul } from '../graph/ops/matmul.ts';
import { reshape } from '../graph/ops/reshape.ts';
import { transpose } from '../graph/ops/transpose.ts';
import { rewrite } from '../graph/rewrite.ts';
import { f32Tensor, f32Values, type StoredTensors, tensorNamed } from './stored-tensors.ts';

/** A graph with its constants made ahead, and how to make them. */
export interface Absorbed {
  /** The rewritten graph; the one that was given where nothing could be absorbed. */
  readonly logits: Node;
  /** The f32 tensors of the rewritten graph from those of the one that was given. */
  derive(tensors: StoredTensors): StoredTensors;
}

/**
 * Rewrites every attention whose query, key, value and following layer are low-rank, with ranks below the heads' width,
 * and every word table of two factors.
 */
export function absorb(logits: Node): Absorbed {
  const order = topological([logits]);
  const sites = sitesIn(order);
  const rewritten = rewriteSites({ outputs: { logits } }, sites, namedProducts, namedFactor);
  return {
    logits: rewritten.outputs.logits,
    derive(tensors) {
      const made = [
        ...[...sites.values()].flatMap((site) => products(site, tensors)),
        ...order.filter(isTable).map((table) => transposedFactor(table, tensors)),
      ];
      const all = new Map([...tensors, ...made]);
      const used = new Set(inputsOf(rewritten).map(inputName));
      return new Map([...all].filter(([name]) => used.has(name)));
    },
  };
}

/** The same rewriting, where the products are part of the graph. Biases of keys have no part in it. */
export function absorbInGraph(graph: Graph): Graph {
  const sites = sitesIn(topological(Object.values(graph.outputs)));
  return rewriteSites(graph, sites, computedProducts, computedFactor);
}

function rewriteSites(
  graph: Graph,
  sites: ReadonlyMap<Node, Site>,
  productsOf: (site: Site) => Products,
  factorOf: (table: Node<LowRankEmbeddingAttributes>) => Node,
): Graph {
  return rewrite(graph, (node, [mixed]) => {
    const site = sites.get(node);
    if (site) return absorbed(site, mixed, productsOf(site));
    return isTable(node) ? lookedUp(node, factorOf(node)) : null;
  });
}

/** One attention and the low-rank layers around it. */
interface Site {
  readonly attention: Node<AttentionAttributes>;
  readonly query: LowRank;
  readonly key: LowRank;
  readonly value: LowRank;
  readonly output: LowRank;
}

/** A low-rank layer, by what it is made of. */
interface LowRank {
  readonly layer: string;
  readonly scaling: number;
  readonly loraA: Node;
  readonly loraB: Node;
  readonly loraC: Node;
  /** A·x that it shares with others; null where A is its own. */
  readonly down: Node | null;
}

/** Null of other nodes. */
function lowRankOf(node: Node | undefined): LowRank | null {
  if (node?.operation.name === 'lowRankLinear') {
    const [, loraA, loraB, loraC] = node.inputs;
    return { ...(node.attributes as LowRankAttributes), loraA, loraB, loraC, down: null };
  }
  if (node?.operation.name !== 'linear' || node.inputs.length !== 3) return null;
  const [down, loraB, loraC] = node.inputs;
  if (down.operation.name !== 'linear' || down.inputs.length !== 2) return null;
  const { layer, scaling = 1 } = node.attributes as LinearAttributes;
  return { layer, scaling, loraA: down.inputs[1], loraB, loraC, down };
}

/** By the node that each replaces: the layer that follows the attention. */
function sitesIn(order: readonly Node[]): Map<Node, Site> {
  const consumers = new Map<Node, Node[]>();
  for (const node of order) for (const x of node.inputs) consumers.set(x, [...(consumers.get(x) ?? []), node]);
  const sites = new Map<Node, Site>();
  for (const node of order) {
    if (node.operation.name !== 'attention') continue;
    const [after, ...others] = consumers.get(node) ?? [];
    const sources = node.inputs.slice(0, 3);
    const alone = others.length === 0 && sources.every((x) => consumers.get(x)?.length === 1);
    const [query, key, value] = sources.map(lowRankOf);
    const output = lowRankOf(after);
    if (!alone || !query || !key || !value || !output || output.down || after.inputs[0] !== node) continue;
    if (query.down !== key.down || key.down !== value.down) continue;
    const site = { attention: node as Node<AttentionAttributes>, query, key, value, output };
    if (paysOff(site)) sites.set(after, site);
  }
  return sites;
}

function paysOff({ attention: { attributes }, key, value }: Site): boolean {
  const { heads, keyHeads } = attributes;
  return keyHeads === heads && [key, value].every((layer) => rankOf(layer) < layer.loraB.shape[0] / heads);
}

/** What an absorbed attention and the layer after it read beside A of queries, keys and values, and B of the output. */
interface Products {
  readonly queryB: Node; // (heads·r, r)
  readonly queryC: Node; // (heads·r)
  readonly outputA: Node; // (r, heads·r)
  readonly outputC: Node; // (out)
}

/**
 * The layer after the attention, on smaller queries, keys and values. `mixed` is the attention after its inputs' own
 * replacement.
 */
function absorbed(
  { query, key, value, output, attention: { attributes } }: Site,
  mixed: Node,
  { queryB, queryC, outputA, outputC }: Products,
): Node {
  const [q, k, v, mask = null] = mixed.inputs;
  const options = { ...attributes, keyHeads: 1 };
  const down = q.inputs[0];
  const shared = query.down
    ? attention(linear(down, queryB, queryC, query.layer), down, down, mask, options)
    : attention(
        lowRankLinear(q.inputs[0], q.inputs[1], queryB, queryC, 1, query.layer),
        linear(k.inputs[0], k.inputs[1], null, key.layer),
        linear(v.inputs[0], v.inputs[1], null, value.layer),
        mask,
        options,
      );
  return lowRankLinear(shared, outputA, output.loraB, outputC, output.scaling, output.layer);
}

/** Products that are given: `products` makes them. */
function namedProducts({ query, key, value, output, attention: { attributes } }: Site): Products {
  const [queries, outputs] = [query.layer, output.layer];
  const [forKeys, forValues] = [key, value].map((layer) => attributes.heads * rankOf(layer));
  return {
    queryB: input(absorbedName(queries, 'loraB'), [forKeys, rankOf(query)]),
    queryC: input(absorbedName(queries, 'loraC'), [forKeys]),
    outputA: input(absorbedName(outputs, 'loraA'), [rankOf(output), forValues]),
    outputC: input(absorbedName(outputs, 'loraC'), output.loraC.shape),
  };
}

/** `products`, of nodes: a product for each head, stacked. */
function computedProducts({ query, key, value, output, attention: { attributes } }: Site): Products {
  const { heads } = attributes;
  const [keyB, valueB] = [key, value].map((layer) => scale(layer.loraB, layer.scaling));
  const queryB = scale(query.loraB, query.scaling);
  const byHead = (x: Node): Node => reshape(x, [heads, x.shape[0] / heads, x.shape[1] ?? 1]); // (H, d, r)
  const ofKeys = transpose(byHead(keyB), [0, 2, 1]); // (H, r, d)
  const width = heads * rankOf(key);
  const { loraA: outputA, loraB: outputB, loraC: outputC } = output;
  const ro = rankOf(output);
  const byInput = transpose(reshape(outputA, [ro, heads, outputA.shape[1] / heads]), [1, 0, 2]); // (H, r, d)
  const absorbedA = transpose(matmul(byInput, byHead(valueB)), [1, 0, 2]); // (r, H, r)
  const valueC = value.loraC;
  const inner = gemm(reshape(valueC, [1, valueC.shape[0]]), outputA, null, { transB: true }); // (1, r)
  const bias = gemm(inner, outputB, outputC, { transB: true, alpha: output.scaling }); // (1, out)
  return {
    queryB: reshape(matmul(ofKeys, byHead(queryB)), [width, rankOf(query)]),
    queryC: reshape(matmul(ofKeys, byHead(query.loraC)), [width]),
    outputA: reshape(absorbedA, [ro, heads * rankOf(value)]),
    outputC: reshape(bias, outputC.shape),
  };
}

function isTable(node: Node): node is Node<LowRankEmbeddingAttributes> {
  return node.operation.name === 'lowRankEmbedding';
}

/** The rows of a table of two factors, as a linear layer on rows of the first. */
function lookedUp(
  { inputs: [ids, , loraB], attributes: { layer } }: Node<LowRankEmbeddingAttributes>,
  factor: Node,
): Node {
  return linear(embedding(loraB, ids), factor, null, layer);
}

/** A factor that is given: `transposedFactor` makes it. */
function namedFactor({ inputs: [, loraA], attributes: { layer } }: Node<LowRankEmbeddingAttributes>): Node {
  return input(absorbedName(layer, 'loraA'), [loraA.shape[1], loraA.shape[0]]);
}

/** `transposedFactor`, of nodes. */
function computedFactor({ inputs: [, loraA], attributes: { scaling } }: Node<LowRankEmbeddingAttributes>): Node {
  return scale(transpose(loraA, [1, 0]), scaling);
}

/** s·Aᵀ, (D, r). */
function transposedFactor(
  { inputs: [, loraA], attributes: { layer, scaling } }: Node<LowRankEmbeddingAttributes>,
  tensors: StoredTensors,
): [string, Tensor] {
  const from = matrix(f32Values(tensorNamed(tensors, inputName(loraA) as string)), loraA.shape);
  const to = zeros(from.columns, from.rows);
  for (let k = 0; k < from.rows; k++) for (let d = 0; d < from.columns; d++) to.add(d, k, scaling * from.at(k, d));
  return [absorbedName(layer, 'loraA'), to.tensor([from.columns, from.rows])];
}

/** The tensor that holds a product: `block.0.query.absorbed.loraB`. */
function absorbedName(layer: string, tensor: string): string {
  return `${layer}.absorbed.${tensor}`;
}

function products(
  {
    attention: {
      attributes: { heads },
    },
    query,
    key,
    value,
    output,
  }: Site,
  tensors: StoredTensors,
): [string, Tensor][] {
  const matrixOf = (node: Node): Matrix =>
    matrix(f32Values(tensorNamed(tensors, inputName(node) as string)), node.shape);
  const [queryB, queryC, keyB] = [query.loraB, query.loraC, key.loraB].map(matrixOf);
  const [valueB, valueC] = [value.loraB, value.loraC].map(matrixOf);
  const [outputA, outputB, outputC] = [output.loraA, output.loraB, output.loraC].map(matrixOf);
  const [rk, rv, ro] = [key, value, output].map(rankOf);
  const perHead = keyB.rows / heads;

  const loraB = zeros(heads * rk, queryB.columns);
  const loraC = zeros(heads * rk, 1);
  const loraA = zeros(ro, heads * rv);
  for (let h = 0; h < heads; h++) {
    for (let i = h * perHead; i < (h + 1) * perHead; i++) {
      for (let k = 0; k < rk; k++) {
        const factor = key.scaling * keyB.at(i, k);
        for (let q = 0; q < queryB.columns; q++) loraB.add(h * rk + k, q, factor * query.scaling * queryB.at(i, q));
        loraC.add(h * rk + k, 0, factor * queryC.at(i, 0));
      }
      for (let o = 0; o < ro; o++) {
        for (let v = 0; v < rv; v++) loraA.add(o, h * rv + v, value.scaling * outputA.at(o, i) * valueB.at(i, v));
      }
    }
  }
  // C + s·B·(A·c_v)
  const inner = Array.from({ length: ro }, (_, o) => sumOf(valueC.rows, (i) => outputA.at(o, i) * valueC.at(i, 0)));
  const bias = zeros(outputC.rows, 1);
  for (let d = 0; d < outputC.rows; d++)
    bias.add(d, 0, outputC.at(d, 0) + output.scaling * sumOf(ro, (o) => outputB.at(d, o) * inner[o]));

  const [queries, outputs] = [query.layer, output.layer];
  return [
    [absorbedName(queries, 'loraB'), loraB.tensor([heads * rk, queryB.columns])],
    [absorbedName(queries, 'loraC'), loraC.tensor([heads * rk])],
    [absorbedName(outputs, 'loraA'), loraA.tensor([ro, heads * rv])],
    [absorbedName(outputs, 'loraC'), bias.tensor([outputC.rows])],
  ];
}

function rankOf({ loraA }: LowRank): number {
  return loraA.shape[0];
}

/** Sums in f64, stored as f32. A vector is a column. */
interface Matrix {
  readonly rows: number;
  readonly columns: number;
  at(row: number, column: number): number;
  add(row: number, column: number, value: number): void;
  tensor(shape: readonly number[]): Tensor;
}

function matrix(values: Float32Array | Float64Array, [rows, columns = 1]: readonly number[]): Matrix {
  return {
    rows,
    columns,
    at: (row, column) => values[row * columns + column],
    add(row, column, value) {
      values[row * columns + column] += value;
    },
    tensor: (shape) => f32Tensor(Float32Array.from(values), shape),
  };
}

function zeros(rows: number, columns: number): Matrix {
  return matrix(new Float64Array(elementCount([rows, columns])), [rows, columns]);
}

function sumOf(count: number, term: (i: number) => number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += term(i);
  return sum;
}
