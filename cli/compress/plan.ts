/**
 * The graph of a model, for a batch of one, becomes a plan: each value a buffer in the arena, each node a kernel call,
 * together with what can run in the same call while its rows are in the cache (activation, residual, quantizing for the
 * next layer). Whether a linear layer runs in int8 or f32 is told by its weight's dtype; int4 weights run in int8.
 */

import type { Activation, Plan, PlanInput, Rows, Step } from '../../runtime/artifact/plan.ts';
import { fieldsOf, isActivation, isQuantized, quantizedRowBytes, type StepOp } from '../../runtime/artifact/steps.ts';
import { elementCount, type Node, sameShape, topological } from '../graph/graph.ts';
import { inputName } from '../graph/ops/leaf.ts';
import { layOut, type Slot } from './arena.ts';
import { precisionOf, type StoredTypes, tensorNamed } from './stored-tensors.ts';

/** A step whose buffers have no place yet. */
type Draft = Step<StepOp, Slot>;

/**
 * Plans the computation of `logits` (1, labels) from the graph's inputs that are no tensors, such as `pixels`. Sizes
 * that follow a text's length do so in the plan.
 * @throws Error naming an operation that the runtime has no kernel for.
 */
export function planOf(logits: Node, tensors: StoredTypes): Plan {
  const order = topological([logits]);
  const inputs = order.filter((node) => inputName(node) !== null && !tensors.has(inputName(node) as string));
  if (inputs.length === 0) throw new Error('the graph has no input beside its tensors');
  const planner = new Planner(tensors, order, logits);
  for (const node of order) if (inputName(node) === null) planner.lower(node);
  return planner.finish(inputs, logits);
}

/** A value where it was computed: as f32, as quantized rows, or both. */
interface Value {
  float: Slot | null;
  quantized: Slot | null;
}

/** A linear layer or an embedding, and what runs in the same call. */
interface Fused {
  readonly first: Node;
  readonly activation: Activation;
  readonly residual: Node | null;
}

class Planner {
  readonly #tensors: StoredTypes;
  readonly #steps: Draft[] = [];
  readonly #values = new Map<Node, Value>();
  readonly #consumers = new Map<Node, Node[]>();
  /** By the node whose value the call gives. */
  readonly #fused = new Map<Node, Fused>();
  /** Nodes that another one's call computes on the way. */
  readonly #inside = new Set<Node>();
  readonly #logits: Node;

  constructor(tensors: StoredTypes, order: readonly Node[], logits: Node) {
    this.#tensors = tensors;
    this.#logits = logits;
    for (const node of order)
      for (const x of new Set(node.inputs)) this.#consumers.set(x, [...(this.#consumers.get(x) ?? []), node]);
    for (const node of order) if (isLinear(node) || isEmbedding(node)) this.#fuse(node);
  }

  lower(node: Node): void {
    if (this.#inside.has(node)) return;
    const fused = this.#fused.get(node);
    if (fused) return isLinear(fused.first) ? this.#linear(node, fused) : this.#embedding(node, fused);
    const [rows, columns] = [rowsOf(node), node.shape[1]];
    const value = (i: number): Slot => this.#float(node.inputs[i]);
    const tensor = (i: number): string => this.#tensorName(node, i);
    const float = (): Slot => this.#newFloat(node);
    if (isActivation(node.operation.name))
      return this.#emit({ op: node.operation.name, x: value(0), out: float(), rows, columns });
    switch (node.operation.name) {
      case 'patchify': {
        const [, channels, height, width] = node.inputs[0].shape;
        return this.#emit({
          op: 'patchify',
          pixels: value(0),
          out: float(),
          channels,
          height,
          width,
          patch: attribute(node, 'patchSize'),
        });
      }
      case 'tokens': {
        const [tokens, width] = node.inputs[2].shape;
        const prefixRows = node.inputs[1].shape[0] / width;
        const sizes = { rows: tokens, columns: width };
        const [patches, prefix, position] = [value(0), tensor(1), tensor(2)];
        return this.#emit(
          prefixRows === 1
            ? { op: 'tokens', patches, cls: prefix, position, out: float(), ...sizes }
            : { op: 'prefixTokens', patches, prefix, position, out: float(), prefixRows, ...sizes },
        );
      }
      case 'addPositions':
        return this.#emit({
          op: 'embedding',
          ids: null,
          table: tensor(1),
          residual: value(0),
          out: float(),
          rows,
          columns,
          entries: node.inputs[1].shape[0],
        });
      case 'layerNorm':
        return this.#emit({
          op: 'layerNorm',
          x: value(0),
          gamma: tensor(1),
          beta: tensor(2),
          ...this.#outputs(node),
          rows,
          columns,
          epsilon: attribute(node, 'epsilon'),
        });
      case 'attention': {
        if (node.inputs.length > 3) throw unsupported(node, 'attention with a mask');
        const [heads, keyHeads] = [attribute(node, 'heads'), attribute(node, 'keyHeads')];
        const [query, key, val] = node.inputs;
        const sizes = {
          queries: rowsOf(query),
          tokens: rowsOf(key),
          heads,
          keyHeads,
          keySize: key.shape[1] / keyHeads,
          valueSize: val.shape[1] / keyHeads,
        };
        const op = this.#isInt8 ? 'attentionInt16' : 'attention';
        return this.#emit({
          op,
          q: value(0),
          k: value(1),
          v: value(2),
          out: float(),
          ...sizes,
          scale: attribute(node, 'scale'),
        });
      }
      case 'add':
        if (!isPlainAdd(node)) throw unsupported(node, 'add with broadcasting');
        return this.#emit({ op: 'add', a: value(0), b: value(1), out: float(), rows, columns });
      case 'multiply':
        if (!isPlain(node)) throw unsupported(node, 'multiply with broadcasting');
        return this.#emit({ op: 'multiply', a: value(0), b: value(1), out: float(), rows, columns });
      case 'meanTokens':
        if (rowsOf(node.inputs[0]) === 'tokens') throw unsupported(node, 'the mean of a text');
        return this.#emit({
          op: 'meanRows',
          x: value(0),
          out: float(),
          rows: node.inputs[0].shape[0],
          columns,
          index: attribute(node, 'first'),
          count: attribute(node, 'count'),
        });
      case 'concat': {
        const [a, b, ...others] = node.inputs;
        if (others.length > 0 || node.shape[0] !== 1) throw unsupported(node, 'concat of other than two rows');
        return this.#emit({
          op: 'concat',
          a: value(0),
          b: value(1),
          out: float(),
          first: a.shape[1],
          second: b.shape[1],
        });
      }
      case 'selectToken':
        // A text may be shorter than its longest; a first row it has.
        if (rowsOf(node.inputs[0]) === 'tokens' && attribute(node, 'index') !== 0)
          throw unsupported(node, 'a later token of a text');
        return this.#emit({
          op: 'selectRow',
          x: value(0),
          out: float(),
          rows: node.inputs[0].shape[0],
          columns,
          index: attribute(node, 'index'),
        });
      default:
        throw unsupported(node, node.operation.name);
    }
  }

  finish(inputs: readonly Node[], output: Node): Plan {
    const end = this.#steps.length;
    const buffers = liveness(this.#steps);
    for (const node of inputs) extend(this.#float(node), 0);
    extend(this.#float(output), end);
    const { offsets, arenaBytes } = layOut([...buffers]);
    const place = (buffer: Slot): number => offsets.get(buffer) as number;
    const varies = this.#steps.some(({ op: _, ...fields }) => Object.values(fields).includes('tokens' satisfies Rows));
    return {
      arenaBytes,
      tokens: varies ? (inputs.find(({ dtype }) => dtype === 'i32') as Node).shape[1] : null,
      inputs: inputs.map((node) => ({
        name: inputName(node) as string,
        dtype: dtypeOf(node),
        offset: place(this.#float(node)),
        shape: node.shape,
      })),
      output: { offset: place(this.#float(output)), shape: output.shape },
      steps: this.#steps.map((step) => placed(step, place)),
    };
  }

  /**
   * Finds what may run in the same call: a linear layer's activation that alone uses it, then a sum that alone uses
   * that.
   */
  #fuse(first: Node): void {
    let last = first;
    let activation: Activation = 'none';
    let residual: Node | null = null;
    const next = (): Node | undefined =>
      last !== this.#logits && this.#consumers.get(last)?.length === 1 ? this.#consumers.get(last)![0] : undefined;
    const step = (node: Node): void => {
      this.#inside.add(last);
      last = node;
    };
    const after = next();
    if (after && isLinear(first) && isActivation(after.operation.name)) {
      activation = after.operation.name;
      step(after);
    }
    const sum = next();
    // Of two that are added, the first one takes the other as its residual.
    if (sum && isPlainAdd(sum) && !this.#fused.has(sum) && sum.inputs[0] !== sum.inputs[1]) {
      residual = sum.inputs[0] === last ? sum.inputs[1] : sum.inputs[0];
      step(sum);
    }
    this.#fused.set(last, { first, activation, residual });
  }

  #embedding(node: Node, { first, residual }: Fused): void {
    const [table, ids] = first.inputs;
    const [entries, columns] = table.shape;
    this.#emit({
      op: 'embedding',
      ids: ids ? this.#float(ids) : null,
      table: this.#tensorName(first, 0),
      residual: residual && this.#float(residual),
      out: this.#newFloat(node),
      rows: 'tokens',
      columns,
      entries,
    });
  }

  #linear(node: Node, { first: linear, activation, residual }: Fused): void {
    const [x] = linear.inputs;
    const rows = rowsOf(node);
    const tensor = (i: number): string => this.#tensorName(linear, i);
    const bias = (i: number): string | null => (linear.inputs.length > i ? tensor(i) : null);
    const [outputs, inputs] = [node.shape[1], x.shape[1]];
    const added = residual && this.#float(residual);
    if (linear.operation.name === 'linear') {
      if (!this.#hasInt8(linear, 1)) {
        return this.#emit({
          op: 'linear',
          x: this.#float(x),
          weight: tensor(1),
          bias: bias(2),
          residual: added,
          out: this.#newFloat(node),
          rows,
          inputs,
          outputs,
          activation,
        });
      }
      return this.#emit({
        op: 'linearInt8',
        x: this.#quantizedRows(x),
        weight: tensor(1),
        bias: bias(2),
        residual: added,
        ...this.#outputs(node),
        rows,
        inputs,
        outputs,
        activation,
      });
    }
    const rank = linear.inputs[1].shape[0];
    const [loraA, loraB] = [tensor(1), tensor(2)];
    if (this.#hasInt8(linear, 1) && this.#hasInt8(linear, 2)) {
      return this.#emit({
        op: 'lowRankInt8',
        x: this.#quantizedRows(x),
        loraA,
        loraB,
        bias: bias(3),
        residual: added,
        ...this.#outputs(node),
        rows,
        inputs,
        rank,
        outputs,
        activation,
      });
    }
    if (this.#hasInt8(linear, 1) || this.#hasInt8(linear, 2))
      throw unsupported(linear, 'a low-rank layer of two dtypes');
    const inner = floats(x.shape[0] * rank);
    this.#emit({
      op: 'linear',
      x: this.#float(x),
      weight: loraA,
      bias: null,
      residual: null,
      out: inner,
      rows,
      inputs,
      outputs: rank,
      activation: 'none',
    });
    return this.#emit({
      op: 'linear',
      x: inner,
      weight: loraB,
      bias: bias(3),
      residual: added,
      out: this.#newFloat(node),
      rows,
      inputs: rank,
      outputs,
      activation,
    });
  }

  /** Buffers for what a value's consumers need of it. */
  #outputs(node: Node): { out: Slot | null; quantized: Slot | null } {
    const consumers = this.#consumers.get(node) ?? [];
    const asRows = consumers.filter(
      (consumer) => isLinear(consumer) && consumer.inputs[0] === node && this.#hasInt8(consumer, 1),
    );
    // A value may be both a layer's input and its residual.
    const asFloats =
      node === this.#logits ||
      consumers.length > asRows.length ||
      asRows.some((consumer) => consumer.inputs.indexOf(node, 1) > 0);
    const value = {
      float: asFloats ? this.#slotOf(node) : null,
      quantized: asRows.length > 0 ? quantizedSlot(node) : null,
    };
    this.#values.set(node, value);
    return { out: value.float, quantized: value.quantized };
  }

  #newFloat(node: Node): Slot {
    const float = this.#slotOf(node);
    this.#values.set(node, { float, quantized: null });
    return float;
  }

  /** A value as f32; an input of the graph gets its buffer when it is first used. */
  #float(node: Node): Slot {
    const float = this.#values.get(node)?.float;
    if (float) return float;
    if (inputName(node) === null) throw new Error(`${node.operation.name} was not planned as f32`);
    return this.#newFloat(node);
  }

  #quantizedRows(node: Node): Slot {
    const value = this.#values.get(node);
    if (value?.quantized) return value.quantized;
    const quantized = quantizedSlot(node);
    this.#emit({ op: 'quantizeRows', x: this.#float(node), quantized, rows: rowsOf(node), columns: node.shape[1] });
    (this.#values.get(node) as Value).quantized = quantized;
    return quantized;
  }

  #slotOf({ shape }: Node): Slot {
    return floats(elementCount(shape));
  }

  get #isInt8(): boolean {
    return precisionOf(this.#tensors) !== 'f32';
  }

  #hasInt8(node: Node, i: number): boolean {
    return isQuantized(tensorNamed(this.#tensors, this.#tensorName(node, i)).dtype);
  }

  #emit(step: Draft): void {
    this.#steps.push(step);
  }

  #tensorName(node: Node, i: number): string {
    const name = inputName(node.inputs[i]);
    if (name === null) throw unsupported(node, `${node.operation.name} whose input ${i} is computed`);
    tensorNamed(this.#tensors, name);
    return name;
  }
}

function dtypeOf(node: Node): PlanInput['dtype'] {
  switch (node.dtype) {
    case 'f32':
      return 'F32';
    case 'i32':
      return 'I32';
    case 'u8':
      throw unsupported(node, 'an input of bytes'); // the runtime prepares pictures itself
    default:
      return node.dtype satisfies never;
  }
}

function isLinear({ operation }: Node): boolean {
  return operation.name === 'linear' || operation.name === 'lowRankLinear';
}

/** Whether its inputs are alike: no broadcasting. */
function isPlain({ inputs, shape }: Node): boolean {
  return inputs.every((x) => sameShape(x.shape, shape));
}

function isPlainAdd(node: Node): boolean {
  return node.operation.name === 'add' && isPlain(node);
}

function isEmbedding({ operation }: Node): boolean {
  return operation.name === 'embedding' || operation.name === 'positionEmbedding';
}

/** How many rows a value has: a fixed number, or as many as the text has tokens. */
function rowsOf(node: Node): Rows {
  let at = node;
  while (!isEmbedding(at)) {
    if (['selectToken', 'meanTokens'].includes(at.operation.name) || at.inputs.length === 0) return node.shape[0];
    at = at.inputs[0];
  }
  return 'tokens';
}

/** Widens each buffer's life to the steps that use it, and tells all buffers. */
function liveness(steps: readonly Draft[]): Set<Slot> {
  const buffers = new Set<Slot>();
  steps.forEach((step, at) => {
    for (const buffer of slotsOf(step)) {
      extend(buffer, at);
      buffers.add(buffer);
    }
  });
  return buffers;
}

function extend(buffer: Slot, at: number): void {
  buffer.first = Math.min(buffer.first, at);
  buffer.last = Math.max(buffer.last, at);
}

function isSlot(value: unknown): value is Slot {
  return typeof value === 'object' && value !== null;
}

function slotsOf(step: Draft): Slot[] {
  return fieldsOf(step.op).flatMap(([field, { kind }]) => {
    const value = (step as unknown as Record<string, unknown>)[field];
    return kind === 'buffer' && isSlot(value) ? [value] : [];
  });
}

function placed(step: Draft, place: (buffer: Slot) => number): Step {
  return Object.fromEntries(
    Object.entries(step).map(([field, value]) => [field, isSlot(value) ? place(value) : value]),
  ) as Step;
}

function bytes(count: number): Slot {
  return { bytes: count, first: Infinity, last: -Infinity };
}

/** A buffer of 4-byte elements. */
function floats(count: number): Slot {
  return bytes(4 * count);
}

function quantizedSlot({ shape: [rows, columns] }: Node): Slot {
  return bytes(rows * quantizedRowBytes(columns));
}

function attribute(node: Node, name: string): number {
  const value = node.attributes[name];
  if (typeof value !== 'number')
    throw new Error(`${node.operation.name}: expected a number for ${name}, got ${String(value)}`);
  return value;
}

function unsupported(node: Node, what: string): Error {
  return new Error(`the runtime has no kernel for ${what} of shape [${node.shape}]`);
}
