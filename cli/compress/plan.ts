/**
 * The graph of a model, for a batch of one, becomes a plan: each node a kernel call or a few, each value a buffer in the arena.
 * Whether a linear layer runs in int8 or f32 is told by its weight's dtype.
 */
import { elementCount, sameShape, topological, type Node } from '../graph/graph.ts';
import { inputName } from '../graph/ops/leaf.ts';
import { STEP_FIELDS, type Plan, type Step, type StepOp } from '../../runtime/artifact/plan.ts';
import { layOut, type Slot } from './arena.ts';
import { scaleName } from './quantize.ts';
import { tensorNamed, type StoredTensors } from './stored-tensors.ts';

/** A step whose buffers have no place yet. */
type Draft = Step<StepOp, Slot>;

/** A value after `quantizeRows`. */
interface Quantized {
  readonly quantized: Slot;
  readonly scales: Slot;
  readonly zeros: Slot;
}

/**
 * Plans the computation of `logits` (1, labels) from the graph's one input that is not a tensor, such as `pixels`.
 * @throws Error naming an operation that the runtime has no kernel for.
 */
export function planOf(logits: Node, tensors: StoredTensors): Plan {
  const planner = new Planner(tensors);
  const order = topological([logits]);
  const input = order.find((node) => inputName(node) !== null && !tensors.has(inputName(node) as string));
  if (input === undefined) throw new Error('the graph has no input beside its tensors');
  for (const node of order) if (inputName(node) === null) planner.lower(node);
  return planner.finish(input, logits);
}

class Planner {
  readonly #tensors: StoredTensors;
  readonly #once: Draft[] = [];
  readonly #steps: Draft[] = [];
  readonly #values = new Map<Node, Slot>();
  /** Query, key and value read the same activations: they are quantized once. */
  readonly #quantized = new Map<Slot, Quantized>();

  constructor(tensors: StoredTensors) {
    this.#tensors = tensors;
  }

  lower(node: Node): void {
    const out = this.#value(node);
    const [rows, columns] = node.shape;
    const value = (i: number): Slot => this.#value(node.inputs[i]);
    const tensor = (i: number): string => this.#tensorName(node, i);
    const count = elementCount(node.shape);
    switch (node.operation.name) {
      case 'patchify': {
        const [, channels, height, width] = node.inputs[0].shape;
        return this.#emit({ op: 'patchify', pixels: value(0), out, channels, height, width, patch: attribute(node, 'patchSize') });
      }
      case 'linear':
        return this.#linear(value(0), tensor(1), tensor(2), out, rows);
      case 'lowRankLinear': {
        const rank = node.inputs[1].shape[0];
        const inner = floats(rows * rank);
        this.#linear(value(0), tensor(1), null, inner, rows);
        return this.#linear(inner, tensor(2), tensor(3), out, rows);
      }
      case 'tokens':
        return this.#emit({ op: 'tokens', patches: value(0), cls: tensor(1), position: tensor(2), out, patchCount: rows - 1, columns });
      case 'layerNorm':
        return this.#emit({
          op: 'layerNorm', x: value(0), gamma: tensor(1), beta: tensor(2), out, rows, columns, epsilon: attribute(node, 'epsilon'),
        });
      case 'attention': {
        if (node.inputs.length > 3) throw unsupported(node, 'attention with a bias');
        const [q, k, v] = [value(0), value(1), value(2)];
        return this.#emit({ op: 'attention', q, k, v, scores: floats(rows), out, tokens: rows, columns, heads: attribute(node, 'heads') });
      }
      case 'gelu':
      case 'tanh':
        return this.#emit({ op: node.operation.name, x: value(0), out, count });
      case 'add':
        if (!node.inputs.every(({ shape }) => sameShape(shape, node.shape))) throw unsupported(node, 'add with broadcasting');
        return this.#emit({ op: 'add', a: value(0), b: value(1), out, count });
      case 'selectToken':
        return this.#emit({
          op: 'selectRow', x: value(0), out, rows: node.inputs[0].shape[0], columns, index: attribute(node, 'index'),
        });
      default:
        throw unsupported(node, node.operation.name);
    }
  }

  finish(input: Node, output: Node): Plan {
    const [inputBuffer, outputBuffer] = [this.#value(input), this.#value(output)];
    const end = this.#steps.length;
    const buffers = liveness(this.#once, this.#steps);
    extend(inputBuffer, 0);
    extend(outputBuffer, end);
    const { offsets, arenaBytes } = layOut([...buffers]);
    const place = (buffer: Slot): number => offsets.get(buffer) as number;
    return {
      arenaBytes,
      input: { offset: place(inputBuffer), shape: input.shape },
      output: { offset: place(outputBuffer), shape: output.shape },
      once: this.#once.map((step) => placed(step, place)),
      steps: this.#steps.map((step) => placed(step, place)),
    };
  }

  #linear(x: Slot, weight: string, bias: string | null, out: Slot, rows: number): void {
    const { dtype, shape } = tensorNamed(this.#tensors, weight);
    const [outputs, inputs] = shape;
    if (dtype === 'F32') return this.#emit({ op: 'linear', x, weight, bias, out, rows, inputs, outputs });
    const weightSums = words(outputs);
    this.#once.push({ op: 'sumRows', weight, out: weightSums, rows: outputs, columns: inputs });
    const operands = { ...this.#quantize(x, rows, inputs), weight, weightScales: scaleName(weight), weightSums, bias };
    return this.#emit({ op: 'linearInt8', ...operands, out, rows, inputs, outputs });
  }

  #quantize(x: Slot, rows: number, columns: number): Quantized {
    const known = this.#quantized.get(x);
    if (known) return known;
    const made = { quantized: bytes(rows * columns), scales: floats(rows), zeros: words(rows) };
    this.#quantized.set(x, made);
    this.#emit({ op: 'quantizeRows', x, ...made, rows, columns });
    return made;
  }

  #emit(step: Draft): void {
    this.#steps.push(step);
  }

  #value(node: Node): Slot {
    const known = this.#values.get(node);
    if (known) return known;
    const made = floats(elementCount(node.shape));
    this.#values.set(node, made);
    return made;
  }

  #tensorName(node: Node, i: number): string {
    const name = inputName(node.inputs[i]);
    if (name === null) throw unsupported(node, `${node.operation.name} whose input ${i} is computed`);
    tensorNamed(this.#tensors, name);
    return name;
  }
}

/** Widens each buffer's life to the steps that use it, and tells all buffers. What `once` writes lives for ever. */
function liveness(once: readonly Draft[], steps: readonly Draft[]): Set<Slot> {
  const buffers = new Set<Slot>();
  const use = (step: Draft, at: number): void => {
    for (const buffer of slotsOf(step)) {
      extend(buffer, at);
      buffers.add(buffer);
    }
  };
  once.forEach((step) => use(step, 0));
  steps.forEach((step, at) => use(step, at));
  for (const step of once) for (const buffer of slotsOf(step)) extend(buffer, steps.length);
  return buffers;
}

function extend(buffer: Slot, at: number): void {
  buffer.first = Math.min(buffer.first, at);
  buffer.last = Math.max(buffer.last, at);
}

function slotsOf(step: Draft): Slot[] {
  return Object.entries(STEP_FIELDS[step.op]).flatMap(([field, kind]) =>
    kind === 'offset' ? [(step as unknown as Record<string, Slot>)[field]] : []);
}

function placed(step: Draft, place: (buffer: Slot) => number): Step {
  const isSlot = (value: unknown): value is Slot => typeof value === 'object' && value !== null;
  return Object.fromEntries(Object.entries(step).map(([field, value]) => [field, isSlot(value) ? place(value) : value])) as Step;
}

function bytes(count: number): Slot {
  return { bytes: count, first: Infinity, last: -Infinity };
}

/** A buffer of 4-byte elements. */
function words(count: number): Slot {
  return bytes(4 * count);
}

const floats = words;

function attribute(node: Node, name: string): number {
  const value = node.attributes[name];
  if (typeof value !== 'number') throw new Error(`${node.operation.name}: expected a number for ${name}, got ${String(value)}`);
  return value;
}

function unsupported(node: Node, what: string): Error {
  return new Error(`the runtime has no kernel for ${what} of shape [${node.shape}]`);
}
