/** What a graph's operations write of an ONNX model: its nodes and initializers. */
import { describeType, type Node, type Shape } from '../../graph/graph.ts';
import type { OnnxAttribute, OnnxWriter } from '../../graph/targets.ts';
import { EngineError, type HostTensor } from '../engine.ts';
import { AttributeType, ElementType } from './schema.ts';
import type { Extent, Sizes } from './sizes.ts';

interface WrittenNode {
  readonly opType: string;
  readonly domain?: string;
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly attribute: readonly object[];
}

/** How the numbers of a graph follow sizes that only a run tells. */
export interface Following {
  /** Of the `call`th list of integers that the graph's operations write. */
  extentsOf(call: number): readonly Extent[];
  /** The input on one of whose axes a size stands. */
  placeOf(size: keyof Sizes): { readonly input: string; readonly axis: number };
}

/** Collects the nodes and initializers of one model. Without `following`, all sizes are fixed. */
export class ModelWriter implements OnnxWriter {
  readonly opset: number;
  private readonly following: Following | null;
  /** Every list of integers that operations wrote, in order. */
  readonly integersWritten: (readonly number[])[] = [];
  private readonly written: WrittenNode[] = [];
  /** Values that are outputs of the graph, and their names as such. */
  private readonly named = new Map<string, string>();
  readonly initializers: object[] = [];
  /** Operator sets beside ONNX's own, all at version 1. */
  readonly domains = new Set<string>();
  private readonly shared = new Map<string, readonly string[]>();
  private count = 0;

  constructor(opset: number, following: Following | null = null) {
    this.opset = opset;
    this.following = following;
  }

  node(operator: string, inputs: readonly string[], attributes: Readonly<Record<string, OnnxAttribute>> = {}): string {
    return this.nodes(operator, inputs, attributes, 1)[0];
  }

  cast(value: string, to: keyof typeof ElementType): string {
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
    const extents = this.next(values);
    return extents.some(isOpen) ? this.computed(extents) : this.fixed(values);
  }

  shape(sizes: Shape): string {
    const extents = this.next(sizes);
    if (extents.filter(isOpen).length > 1) return this.computed(extents);
    return this.fixed(extents.map((extent) => (isOpen(extent) ? -1 : extent.factor)));
  }

  private next(values: readonly number[]): readonly Extent[] {
    const call = this.integersWritten.push(values) - 1;
    return this.following?.extentsOf(call) ?? values.map((factor) => ({ factor, by: [] }));
  }

  private fixed(values: readonly number[]): string {
    const data = BigInt64Array.from(values, BigInt);
    return this.once(`int64 ${values.join()}`, () => [
      this.initializer(ElementType.i64, [values.length], new Uint8Array(data.buffer)),
    ])[0];
  }

  /** Integers that are made of the inputs' sizes when the model runs. */
  private computed(extents: readonly Extent[]): string {
    return this.once(`extents ${JSON.stringify(extents)}`, () => {
      const parts = extents.map((extent) => this.extent(extent));
      return parts.length === 1 ? parts : [this.node('Concat', parts, { axis: 0 })];
    })[0];
  }

  private extent({ factor, by }: Extent): string {
    const sizes = by.map((size) => this.size(size));
    return (factor === 1 && by.length > 0 ? sizes : [...sizes, this.fixed([factor])]).reduce((product, size) =>
      this.node('Mul', [product, size]),
    );
  }

  private size(name: keyof Sizes): string {
    return this.once(`size ${name}`, () => {
      const { input, axis } = this.following!.placeOf(name);
      return [this.node('Shape', [input], { start: axis, end: axis + 1 })];
    })[0];
  }

  /** A named input that never changes, written once however many nodes stand for it. */
  constant(name: string, node: Node, { dtype, shape, data }: HostTensor): string {
    if (describeType(node) !== describeType({ dtype, shape }))
      throw new EngineError(
        `onnx: constant ${name} is ${describeType({ dtype, shape })}, the graph takes ${describeType(node)}`,
      );
    return this.once(`constant ${name}`, () => [
      this.initializer(ElementType[dtype], shape, new Uint8Array(data.buffer, data.byteOffset, data.byteLength), name),
    ])[0];
  }

  float(value: number): { readonly float: number } {
    return { float: value };
  }

  private initializer(dataType: number, shape: Shape, rawData: Uint8Array, name = this.fresh()): string {
    this.initializers.push({ name, dataType, dims: shape, rawData });
    return name;
  }

  /** Values are numbered; the prefix keeps them apart from named inputs and outputs. */
  private fresh(): string {
    return `value_${this.count++}`;
  }
}

function isOpen({ by }: Extent): boolean {
  return by.length > 0;
}

function attribute(name: string, value: OnnxAttribute): object {
  if (typeof value === 'number') return { name, type: AttributeType.int, i: value };
  if (typeof value === 'string') return { name, type: AttributeType.string, s: new TextEncoder().encode(value) };
  if ('float' in value) return { name, type: AttributeType.float, f: value.float };
  return { name, type: AttributeType.ints, ints: value };
}
