/** One graph becomes one StableHLO module. */
import { type Graph, type Node, topological } from '../../graph/graph.ts';
import { inputName } from '../../graph/ops/leaf.ts';
import type { HloValue } from '../../graph/targets.ts';
import { distinctInputs, loweredInputs, lowerNode } from '../lowering.ts';
import type { Precision } from '../precision.ts';
import { ModuleWriter, tensorType } from './writer.ts';

/** Kernels of a platform's own, which take the place of what an operation says or expands to. */
export interface FusedKernels {
  takes(node: Node): boolean;
  /** Writes a node that it takes. `inputs` are its inputs' values. */
  write(writer: ModuleWriter, node: Node, inputs: readonly HloValue[]): HloValue;
}

/** How a graph is written. */
export interface LowerOptions {
  readonly precision: Precision;
  /** Made for this module alone; none unless given. */
  readonly fused?: FusedKernels;
  /** Inputs whose memory an output takes over: input → output, of one type. */
  readonly donated?: Readonly<Record<string, string>>;
  /** How many devices share the work; one unless given. */
  readonly partitions?: number;
  /** Inputs of which each of them has its part, along the first axis. Of all others, and of outputs, each has a copy. */
  readonly batched?: readonly string[];
}

/** A module, and how its function's arguments and results are named in the graph. */
export interface StableHloModule {
  readonly text: string;
  /** The inputs' names, in the order of the function's arguments. */
  readonly inputs: readonly string[];
  /** The outputs' names, in the order of its results. */
  readonly outputs: readonly string[];
}

/**
 * Writes a graph as a StableHLO module, a function `main` of its inputs. A composite without a spelling in StableHLO is
 * written as its expansion. Names of inputs and outputs are no part of the text: graphs that compute the same compile to
 * one program.
 */
export function lowerToStableHlo(graph: Graph, options: LowerOptions): StableHloModule {
  const lowering = lower(graph, options);
  for (;;) {
    const { done, value } = lowering.next();
    if (done) return value;
  }
}

/** How long the event loop may wait. A training step of ViT-B takes some 200 ms to write. */
const SLICE_MS = 20;

/** The same, a slice at a time, so that Node's event loop goes on. */
export async function lowerInSlices(graph: Graph, options: LowerOptions): Promise<StableHloModule> {
  const lowering = lower(graph, options);
  let began = performance.now();
  for (;;) {
    const { done, value } = lowering.next();
    if (done) return value;
    if (performance.now() - began < SLICE_MS) continue;
    await new Promise((resolve) => setImmediate(resolve));
    began = performance.now();
  }
}

/** Yields after each node. */
function* lower(
  graph: Graph,
  { precision, fused, donated = {}, partitions = 1, batched = [] }: LowerOptions,
): Generator<void, StableHloModule> {
  const written = loweredInputs('stablehlo');
  const order = topological(Object.values(graph.outputs), (node) => (fused?.takes(node) ? node.inputs : written(node)));
  const inputs = distinctInputs(
    'xla',
    order.filter((node) => inputName(node) !== null),
  );
  const positions = new Map([...inputs.keys()].map((name, i) => [name, i]));
  const writer = new ModuleWriter(precision);
  const values = new Map<Node, HloValue>();
  for (const node of order) {
    const name = inputName(node);
    if (name !== null) values.set(node, argument(node, positions.get(name)!));
    else if (fused?.takes(node)) {
      const inputs = node.inputs.map((input) => values.get(input)!);
      values.set(node, fused.write(writer, node, inputs));
    } else {
      const spell = (inputs: readonly HloValue[]): HloValue => node.operation.stablehlo!(writer, inputs, node);
      values.set(node, lowerNode('stablehlo', node, values, spell));
    }
    yield;
  }
  const outputs = Object.keys(graph.outputs);
  const results = Object.values(graph.outputs).map((node) => values.get(node)!);
  const sharding = (isBatched: boolean, { shape }: HloValue): readonly string[] =>
    partitions === 1 ? [] : [shardingOf(isBatched ? shape.length : 0, partitions)];
  const args = [...inputs].map(([name, node], i) => {
    const value = argument(node, i);
    const facts = [...aliasOf(donated[name], outputs), ...sharding(batched.includes(name), value)];
    return `${value.name}: ${withAttributes(tensorType(value), facts)}`;
  });
  const given = results.map((value) => withAttributes(tensorType(value), sharding(false, value)));
  const text = [
    'module @slim {',
    `func.func public @main(${args.join(', ')}) -> (${given.join(', ')}) {`,
    ...writer.lines,
    `return ${results.map(({ name }) => name).join(', ')} : ${results.map(tensorType).join(', ')}`,
    '}',
    '}',
  ].join('\n');
  return { text, inputs: [...inputs.keys()], outputs };
}

function argument({ dtype, shape }: Node, position: number): HloValue {
  return { name: `%arg${position}`, dtype, shape };
}

function withAttributes(type: string, attributes: readonly string[]): string {
  return attributes.length === 0 ? type : `${type} {${attributes.join(', ')}}`;
}

/** How XLA is told that an output takes over an argument's memory. */
function aliasOf(output: string | undefined, outputs: readonly string[]): string[] {
  return output === undefined ? [] : [`tf.aliasing_output = ${outputs.indexOf(output)} : i32`];
}

/** How XLA's partitioner is told who has what: the first of some axes cut in parts; with no axes, a copy each. */
function shardingOf(axes: number, partitions: number): string {
  const cut = [partitions, ...Array<number>(Math.max(0, axes - 1)).fill(1)];
  return `mhlo.sharding = "${axes === 0 ? '{replicated}' : `{devices=[${cut.join(',')}]<=[${partitions}]}`}"`;
}
