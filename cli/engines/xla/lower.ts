/** One graph becomes one StableHLO module. */
import { type Graph, type Node, topological } from '../../graph/graph.ts';
import { inputName } from '../../graph/ops/leaf.ts';
import type { HloValue } from '../../graph/targets.ts';
import { distinctInputs, loweredInputs, lowerNode } from '../lowering.ts';
import type { Precision } from '../precision.ts';
import { ModuleWriter, tensorType } from './writer.ts';

/** How a graph is written. */
export interface LowerOptions {
  readonly precision: Precision;
  /** Inputs whose memory an output takes over: input → output, of one type. */
  readonly donated?: Readonly<Record<string, string>>;
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
function* lower(graph: Graph, { precision, donated = {} }: LowerOptions): Generator<void, StableHloModule> {
  const order = topological(Object.values(graph.outputs), loweredInputs('stablehlo'));
  const inputs = distinctInputs(
    'xla',
    order.filter((node) => inputName(node) !== null),
  );
  const positions = new Map([...inputs.keys()].map((name, i) => [name, i]));
  const writer = new ModuleWriter(precision);
  const values = new Map<Node, HloValue>();
  for (const node of order) {
    const name = inputName(node);
    values.set(
      node,
      name === null
        ? lowerNode('stablehlo', node, values, (inputs) => node.operation.stablehlo!(writer, inputs, node))
        : argument(node, positions.get(name)!),
    );
    yield;
  }
  const outputs = Object.keys(graph.outputs);
  const results = Object.values(graph.outputs).map((node) => values.get(node)!);
  const args = [...inputs].map(([name, node], i) => {
    const { name: value } = argument(node, i);
    return `${value}: ${tensorType(node)}${aliasOf(donated[name], outputs)}`;
  });
  const types = results.map(tensorType).join(', ');
  const text = [
    'module @slim {',
    `func.func public @main(${args.join(', ')}) -> (${types}) {`,
    ...writer.lines,
    `return ${results.map(({ name }) => name).join(', ')} : ${types}`,
    '}',
    '}',
  ].join('\n');
  return { text, inputs: [...inputs.keys()], outputs };
}

function argument({ dtype, shape }: Node, position: number): HloValue {
  return { name: `%arg${position}`, dtype, shape };
}

/** How XLA is told that an output takes over an argument's memory. */
function aliasOf(output: string | undefined, outputs: readonly string[]): string {
  return output === undefined ? '' : ` {tf.aliasing_output = ${outputs.indexOf(output)} : i32}`;
}
