/**
 * The kernels as functions on one linear memory. Operands are addresses in bytes, sizes count elements; what each
 * computes is told beside its step (../artifact/steps.ts), whose fields come in this order. Where an operand may be
 * missing, 0 says so. Two implementations: WebAssembly (assembly/), and scalar TypeScript, the oracle (reference.ts).
 */
export interface Kernels {
  patchify(pixels: number, out: number, channels: number, height: number, width: number, patch: number): void;
  quantizeRows(x: number, quantized: number, rows: number, columns: number): void;
  /** `bias`, `residual` may be 0. `activation` is its place among ACTIVATIONS. */
  linear(
    x: number,
    weight: number,
    bias: number,
    residual: number,
    out: number,
    scratch: number,
    rows: number,
    inputs: number,
    outputs: number,
    activation: number,
  ): void;
  /** Makes packed int8 weights of int4 ones (outputs, inputs) and their groups' factors, once for each. */
  unpackWeight(values: number, factors: number, out: number, outputs: number, inputs: number): void;
  /** Makes an int8 table of an int4 one (rows, columns) and its groups' factors. */
  unpackTable(values: number, factors: number, out: number, rows: number, columns: number): void;
  /** Lays out scales, sums of weights and biases for the kernels below, once for each int8 weight. `bias` may be 0. */
  prepareColumns(weight: number, scales: number, bias: number, columns: number, inputs: number, outputs: number): void;
  /** `residual`, `out`, `quantized` may be 0. */
  linearInt8(
    x: number,
    weight: number,
    columns: number,
    residual: number,
    out: number,
    quantized: number,
    scratch: number,
    rows: number,
    inputs: number,
    outputs: number,
    activation: number,
  ): void;
  /** `residual`, `out`, `quantized` may be 0. */
  lowRankInt8(
    x: number,
    loraA: number,
    columnsA: number,
    loraB: number,
    columnsB: number,
    residual: number,
    out: number,
    quantized: number,
    scratch: number,
    rows: number,
    inputs: number,
    rank: number,
    outputs: number,
    activation: number,
  ): void;
  /** `positionScales` is 0 where positions are f32. */
  tokens(
    patches: number,
    cls: number,
    position: number,
    positionScales: number,
    out: number,
    rows: number,
    columns: number,
  ): void;
  /** `positionScales` is 0 where positions are f32. */
  prefixTokens(
    patches: number,
    prefix: number,
    position: number,
    positionScales: number,
    out: number,
    prefixRows: number,
    rows: number,
    columns: number,
  ): void;
  /**
   * `ids`, `residual` may be 0; `scales` is 0 where the table is f32. An id beyond the table's entries is the last of
   * them.
   */
  embedding(
    ids: number,
    table: number,
    scales: number,
    residual: number,
    out: number,
    rows: number,
    columns: number,
    entries: number,
  ): void;
  /** `out`, `quantized` may be 0. */
  layerNorm(
    x: number,
    gamma: number,
    beta: number,
    out: number,
    quantized: number,
    scratch: number,
    rows: number,
    columns: number,
    epsilon: number,
  ): void;
  attention: AttentionKernel;
  attentionInt16: AttentionKernel;
  gelu: ActivationKernel;
  tanh: ActivationKernel;
  relu: ActivationKernel;
  sigmoid: ActivationKernel;
  silu: ActivationKernel;
  quickGelu: ActivationKernel;
  geluTanh: ActivationKernel;
  mish: ActivationKernel;
  relu6: ActivationKernel;
  reluSquared: ActivationKernel;
  leakyRelu: ActivationKernel;
  hardSwish: ActivationKernel;
  add(a: number, b: number, out: number, rows: number, columns: number): void;
  multiply(a: number, b: number, out: number, rows: number, columns: number): void;
  selectRow(x: number, out: number, rows: number, columns: number, index: number): void;
  meanRows(x: number, out: number, rows: number, columns: number, index: number, count: number): void;
  concat(a: number, b: number, out: number, first: number, second: number): void;
}

type ActivationKernel = (x: number, out: number, rows: number, columns: number) => void;

type AttentionKernel = (
  q: number,
  k: number,
  v: number,
  out: number,
  scratch: number,
  queries: number,
  tokens: number,
  heads: number,
  keyHeads: number,
  keySize: number,
  valueSize: number,
  scale: number,
) => void;

/** Binds a compiled module of the kernels to a memory. The host compiles it: some hosts forbid compiling from bytes. */
export function instantiateKernels(module: WebAssembly.Module, memory: WebAssembly.Memory): Kernels {
  return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Kernels;
}
