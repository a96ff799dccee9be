/**
 * A graph as an ONNX model for other programs: operators of ONNX's own set only, inputs named and typed as they call
 * them, weights inside, and as many samples and tokens as come.
 */
import type { Graph, Node } from '../../graph/graph.ts';
import { inputName } from '../../graph/ops/leaf.ts';
import { EngineError, type HostTensor } from '../engine.ts';
import { distinctInputs } from '../lowering.ts';
import { encodeModel, valueInfo, writeNodes } from './lower.ts';
import { type Extent, extentOf, PROBES, type Sizes } from './sizes.ts';
import { type Following, ModelWriter } from './writer.ts';

/** LayerNormalization came with it. */
export const PORTABLE_OPSET = 17;
/** Of ONNX 1.12, which brought that operator set. */
const IR_VERSION = 8;

/** What optimum calls the axes. */
const AXES: Readonly<Record<keyof Sizes, string>> = { batch: 'batch_size', tokens: 'sequence_length' };

/** An input as other programs know it. */
export interface PortableInput {
  readonly name: string;
  readonly dtype: 'f32' | 'i64';
}

/** How a model is written for others. */
export interface PortableOptions {
  /** By the graph's names of its inputs: all that are no constants. */
  readonly inputs: Readonly<Record<string, PortableInput>>;
  readonly constants: Readonly<Record<string, HostTensor>>;
  /** What wrote it. */
  readonly version: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * The bytes of a model, written from one graph made at several sizes. Outputs keep their names.
 * @throws EngineError where the graphs differ in more than sizes
 */
export function writePortable(graphAt: (sizes: Sizes) => Graph, options: PortableOptions): Uint8Array {
  const graphs = PROBES.map(graphAt);
  const probed = graphs.map((graph) => write(new ModelWriter(PORTABLE_OPSET), graph, options));
  const inputs = extentsOfShapes(probed.map((one) => one.inputs));
  const writer = new ModelWriter(PORTABLE_OPSET, followingOf(probed, inputs, options));
  write(writer, graphs[0], options);
  const outputs = extentsOfShapes(graphs.map((graph) => new Map(Object.entries(graph.outputs))));
  return encodeModel(writer, {
    irVersion: IR_VERSION,
    inputs: [...inputs].map(([name, shape]) => {
      const { name: theirs, dtype } = options.inputs[name];
      return valueInfo(theirs, { dtype, shape: shape.map(dimension) });
    }),
    outputs: [...outputs].map(([name, shape]) => valueInfo(name, { dtype: 'f32', shape: shape.map(dimension) })),
    producerVersion: options.version,
    metadata: options.metadata,
  });
}

interface Written {
  readonly writer: ModelWriter;
  readonly inputs: ReadonlyMap<string, Node>;
}

function write(writer: ModelWriter, graph: Graph, { inputs: given, constants }: PortableOptions): Written {
  const { values, inputs } = writeNodes(writer, graph, constants, (name, node) => {
    const theirs = given[name];
    if (theirs === undefined) {
      if (inputName(node) !== null && constants[name] === undefined)
        throw new EngineError(`onnx: input ${name} has neither a value nor a name to be given by`);
      return name;
    }
    // An id is an index, of whichever integers; anything else is computed with.
    if (theirs.dtype === 'f32' || node.dtype !== 'f32') return theirs.name;
    return writer.once(`float ${name}`, () => [writer.cast(theirs.name, 'f32')])[0];
  });
  for (const [name, node] of Object.entries(graph.outputs)) writer.output(values.get(node)!, name);
  return { writer, inputs: distinctInputs('onnx', inputs) };
}

/** How the numbers of a model follow its inputs' sizes, told from the same model at each of `PROBES`. */
function followingOf(
  probed: readonly Written[],
  inputs: ReadonlyMap<string, readonly Extent[]>,
  { inputs: names }: PortableOptions,
): Following {
  const structures = probed.map(({ writer }) => structureOf(writer));
  if (new Set(structures).size > 1) throw new EngineError('onnx: graphs of two sizes differ in more than sizes');
  return {
    extentsOf: (call) => {
      const lists = probed.map(({ writer }) => writer.integersWritten[call]);
      return lists[0].map((_, i) => extentOf(lists.map((list) => list[i])));
    },
    placeOf(size) {
      for (const [name, shape] of inputs) {
        const axis = shape.findIndex(({ factor, by }) => factor === 1 && by.length === 1 && by[0] === size);
        if (axis >= 0) return { input: names[name].name, axis };
      }
      throw new EngineError(`onnx: no input has the axis ${size}`);
    },
  };
}

/** Everything about a model but its sizes: operators, and how many integers they are told. */
function structureOf(writer: ModelWriter): string {
  const operators = writer.nodesWritten().map(({ opType, input }) => `${opType} ${input.length}`);
  return JSON.stringify([operators, writer.integersWritten.map(({ length }) => length)]);
}

function extentsOfShapes(probed: readonly ReadonlyMap<string, Node>[]): Map<string, readonly Extent[]> {
  const [first] = probed;
  return new Map(
    [...first].map(([name, { shape }]) => [
      name,
      shape.map((_, axis) => extentOf(probed.map((nodes) => nodes.get(name)!.shape[axis]))),
    ]),
  );
}

function dimension({ factor, by }: Extent): number | string {
  if (by.length === 0) return factor;
  return [...(factor === 1 ? [] : [factor]), ...by.map((size) => AXES[size])].join('*');
}
