/** One graph becomes one ONNX model. */
import { type DType, describeType, type Graph, type Node, type Shape, topological } from '../../graph/graph.ts';
import { inputName } from '../../graph/ops/leaf.ts';
import type { OnnxAttribute, OnnxWriter } from '../../graph/targets.ts';
import { EngineError, type HostTensor } from '../engine.ts';
import { distinctInputs, loweredInputs, lowerNode } from '../lowering.ts';
import { AttributeType, ElementType, Model } from './schema.ts';

/** LayerNormalization came with 17, ReduceSum's axes as input with 18, Gelu with 20. */
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
  const order = topological(Object.values(graph.outputs), loweredInputs('onnx'));
  const writer = new ModelWriter();
  const names = new Map<Node, string>();
  const inputs: Node[] = [];
  const isWidened = ({ dtype }: Node): boolean => widensBytes && dtype === 'u8';
  const widened = (value: string, node: Node): string =>
    isWidened(node) ? writer.once(`wide ${value}`, () => [writer.cast(value, 'i32')])[0] : value;
  for (const node of order) {
    const name = inputName(node);
    const constant = name === null ? undefined : constants[name];
    if (constant) {
      names.set(node, widened(writer.constant(name as string, node, constant), node));
    } else if (name !== null) {
      inputs.push(node);
      names.set(node, widened(name, node));
    } else {
      names.set(
        node,
        lowerNode('onnx', node, names, (inputs) => node.operation.onnx!(writer, inputs, node)),
      );
    }
  }
  const outputs = Object.entries(graph.outputs).map(([name, node]) => {
    const value = names.get(node)!;
    writer.output(isWidened(node) ? writer.cast(value, 'u8') : value, outputName(name));
    return valueInfo(outputName(name), node);
  });
  const distinct = [...distinctInputs('onnx', inputs).values()];
  const model = {
    irVersion: IR_VERSION,
    producerName: 'slim',
    opsetImport: [{ domain: '', version: OPSET }, ...[...writer.domains].map((domain) => ({ domain, version: 1 }))],
    graph: {
      name: 'slim',
      node: writer.nodesWritten(),
      initializer: writer.initializers,
      input: distinct.map((node) => valueInfo(inputName(node)!, node)),
      output: outputs,
    },
  };
  return { bytes: Model.encode(model).finish(), inputs: distinct };
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

function valueInfo(name: string, { dtype, shape }: Node): object {
  return {
    name,
    type: { tensorType: { elemType: ElementType[dtype], shape: { dim: shape.map((dimValue) => ({ dimValue })) } } },
  };
}

interface WrittenNode {
  readonly opType: string;
  readonly domain?: string;
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly attribute: readonly object[];
}

class ModelWriter implements OnnxWriter {
  private readonly written: WrittenNode[] = [];
  /** Values that are outputs of the graph, and their names as such. */
  private readonly named = new Map<string, string>();
  readonly initializers: object[] = [];
  /** Operator sets beside ONNX's own, all at version 1. */
  readonly domains = new Set<string>();
  private readonly shared = new Map<string, readonly string[]>();
  private count = 0;

  node(operator: string, inputs: readonly string[], attributes: Readonly<Record<string, OnnxAttribute>> = {}): string {
    return this.nodes(operator, inputs, attributes, 1)[0];
  }

  cast(value: string, to: DType): string {
    return this.node('Cast', [value], { to: ElementType[to] });
  }

  nodes(
    operator: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>>,
    outputs: number,
  ): readonly string[] {
    const output = Array.from({ length: outputs }, () => this.fresh());
    const domain = operator.slice(0, Math.max(0, operator.lastIndexOf('.')));
    if (domain !== '') this.domains.add(domain);
    const opType = domain === '' ? operator : operator.slice(domain.length + 1);
    this.written.push({
      opType,
      domain,
      input: inputs,
      output,
      attribute: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
    });
    return output;
  }

  /**
   * Makes a value an output of the graph. An input, or another output, is copied; what a node gave takes the name, for
   * a copy of what trains costs.
   */
  output(value: string, name: string): void {
    const computed = this.written.some(({ output }) => output.includes(value));
    if (computed && !this.named.has(value)) this.named.set(value, name);
    else this.written.push({ opType: 'Identity', input: [value], output: [name], attribute: [] });
  }

  nodesWritten(): WrittenNode[] {
    const rename = (value: string): string => this.named.get(value) ?? value;
    return this.written.map((node) => ({ ...node, input: node.input.map(rename), output: node.output.map(rename) }));
  }

  once(key: string, make: () => readonly string[]): readonly string[] {
    const known = this.shared.get(key) ?? make();
    this.shared.set(key, known);
    return known;
  }

  floats(values: Float32Array, shape: Shape): string {
    const small = values.length === 1 ? `float ${values[0]} (${shape.join()})` : null;
    const write = (): string =>
      this.initializer(ElementType.f32, shape, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    return small ? this.once(small, () => [write()])[0] : write();
  }

  bytes(values: Int8Array, shape: Shape): string {
    return this.initializer(ElementType.i8, shape, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }

  integers(values: readonly number[]): string {
    const data = BigInt64Array.from(values, BigInt);
    return this.once(`int64 ${values.join()}`, () => [
      this.initializer(ElementType.i64, [values.length], new Uint8Array(data.buffer)),
    ])[0];
  }

  /** A named input that never changes, written once however many nodes stand for it. */
  constant(name: string, node: Node, { dtype, shape, data }: HostTensor): string {
    if (describeType(node) !== describeType({ dtype, shape }))
      throw new EngineError(
        `onnx: constant ${name} is ${describeType({ dtype, shape })}, the graph takes ${describeType(node)}`,
      );
    return this.once(`constant ${name}`, () => [
      this.initializer(ElementType[dtype], shape, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
    ])[0];
  }

  float(value: number): { readonly float: number } {
    return { float: value };
  }

  private initializer(dataType: number, shape: Shape, rawData: Uint8Array): string {
    const name = this.fresh();
    this.initializers.push({ name, dataType, dims: shape, rawData });
    return name;
  }

  /** Values are numbered; the prefix keeps them apart from named inputs and outputs. */
  private fresh(): string {
    return `#${this.count++}`;
  }
}

function attribute(name: string, value: OnnxAttribute): object {
  if (typeof value === 'number') return { name, type: AttributeType.int, i: value };
  if (typeof value === 'string') return { name, type: AttributeType.string, s: new TextEncoder().encode(value) };
  if ('float' in value) return { name, type: AttributeType.float, f: value.float };
  return { name, type: AttributeType.ints, ints: value };
}
