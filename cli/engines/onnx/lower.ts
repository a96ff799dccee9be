/** One graph becomes one ONNX model. */
import { type DType, type Graph, type Node, type Shape, topological } from '../../graph/graph.ts';
import { inputName } from '../../graph/ops/leaf.ts';
import type { HostTensor } from '../engine.ts';
import { distinctInputs, loweredInputs, lowerNode } from '../lowering.ts';
import { ElementType, Model } from './schema.ts';
import { ModelWriter } from './writer.ts';

/** What our engines' operators came with: Gelu. */
const OPSET = 20;
const IR_VERSION = 9;

/** A ModelProto, and what a session of it has to be given. */
export interface OnnxModel {
  readonly bytes: Uint8Array;
  /** The named inputs that the model takes. */
  readonly inputs: readonly Node[];
}

/** How a graph is written. */
export interface LowerOptions {
  /** Inputs that become initializers. */
  readonly constants?: Readonly<Record<string, HostTensor>>;
  /**
   * Whether a u8 becomes an i32 as soon as it comes in, and again a u8 where it goes out: for a provider whose only
   * operator on bytes is the one that converts them.
   */
  readonly widensBytes?: boolean;
}

/** Writes a graph as an ONNX model. A composite without an ONNX spelling is written as its expansion. */
export function lowerToOnnx(graph: Graph, { constants = {}, widensBytes = false }: LowerOptions = {}): OnnxModel {
  const writer = new ModelWriter(OPSET);
  const isWidened = ({ dtype }: Node): boolean => widensBytes && dtype === 'u8';
  const widened = (value: string, node: Node): string =>
    isWidened(node) ? writer.once(`wide ${value}`, () => [writer.cast(value, 'i32')])[0] : value;
  const { values, inputs } = writeNodes(writer, graph, constants, (name, node) => widened(name, node));
  const outputs = Object.entries(graph.outputs).map(([name, node]) => {
    const value = values.get(node)!;
    writer.output(isWidened(node) ? writer.cast(value, 'u8') : value, outputName(name));
    return valueInfo(outputName(name), node);
  });
  const distinct = [...distinctInputs('onnx', inputs).values()];
  const bytes = encodeModel(writer, {
    irVersion: IR_VERSION,
    inputs: distinct.map((node) => valueInfo(inputName(node)!, node)),
    outputs,
  });
  return { bytes, inputs: distinct };
}

/**
 * Writes the nodes that a graph's outputs need. `constants` are inputs that become initializers; of every input, whether
 * it is one of these or a name that the model is given, `taken` says what its value is.
 */
export function writeNodes(
  writer: ModelWriter,
  graph: Graph,
  constants: Readonly<Record<string, HostTensor>>,
  taken: (name: string, node: Node) => string,
): { readonly values: ReadonlyMap<Node, string>; readonly inputs: readonly Node[] } {
  const values = new Map<Node, string>();
  const inputs: Node[] = [];
  for (const node of topological(Object.values(graph.outputs), loweredInputs('onnx'))) {
    const name = inputName(node);
    const constant = name === null ? undefined : constants[name];
    if (constant) {
      values.set(node, taken(writer.constant(name as string, node, constant), node));
    } else if (name !== null) {
      inputs.push(node);
      values.set(node, taken(name, node));
    } else {
      values.set(
        node,
        lowerNode('onnx', node, values, (given) => node.operation.onnx!(writer, given, node)),
      );
    }
  }
  return { values, inputs };
}

/** What a model tells beside its nodes; inputs and outputs as `valueInfo` makes them. */
interface ModelFacts {
  readonly irVersion: number;
  readonly inputs: readonly object[];
  readonly outputs: readonly object[];
  readonly producerVersion?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** The bytes of a ModelProto. */
export function encodeModel(
  writer: ModelWriter,
  { irVersion, inputs, outputs, producerVersion, metadata = {} }: ModelFacts,
): Uint8Array {
  return Model.encode({
    irVersion,
    producerName: 'slim',
    producerVersion,
    opsetImport: [
      { domain: '', version: writer.opset },
      ...[...writer.domains].map((domain) => ({ domain, version: 1 })),
    ],
    graph: {
      name: 'slim',
      node: writer.nodesWritten(),
      initializer: writer.initializers,
      input: inputs,
      output: outputs,
    },
    metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
  }).finish();
}

/** A model that gives `x` back as `y`, whatever its shape: what moves a tensor between two memories. */
export function writeCopyModel(dtype: DType): Uint8Array {
  const value = (name: string): object => ({ name, type: { tensorType: { elemType: ElementType[dtype] } } });
  const graph = { name: 'copy', node: [{ opType: 'Identity', input: ['x'], output: ['y'] }] };
  return Model.encode({
    irVersion: IR_VERSION,
    producerName: 'slim',
    opsetImport: [{ domain: '', version: OPSET }],
    graph: { ...graph, input: [value('x')], output: [value('y')] },
  }).finish();
}

/** ONNX has one name space for inputs and outputs; a training step takes `parameters` and gives `parameters`. */
export function outputName(name: string): string {
  return `=${name}`;
}

/** The type of an input or output, as a ValueInfoProto. A size that only a run tells is a name. */
export function valueInfo(
  name: string,
  { dtype, shape }: { readonly dtype: keyof typeof ElementType; readonly shape: Shape | readonly (number | string)[] },
): object {
  const dim = shape.map((size) => (typeof size === 'number' ? { dimValue: size } : { dimParam: size }));
  return { name, type: { tensorType: { elemType: ElementType[dtype], shape: { dim } } } };
}
