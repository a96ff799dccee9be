/**
 * The kernels as functions on one linear memory. Operands are addresses in bytes, sizes count elements; what each computes is
 * told beside its step (../artifact/plan.ts). Two implementations: WebAssembly (assembly/), and scalar TypeScript, the oracle
 * (reference.ts).
 */
export interface Kernels {
  patchify(pixels: number, out: number, channels: number, height: number, width: number, patch: number): void;
  /** `bias` may be 0: none. */
  linear(x: number, weight: number, bias: number, out: number, rows: number, inputs: number, outputs: number): void;
  quantizeRows(x: number, quantized: number, scales: number, zeros: number, rows: number, columns: number): void;
  sumRows(weight: number, out: number, rows: number, columns: number): void;
  /** `bias` may be 0: none. */
  linearInt8(
    quantized: number, scales: number, zeros: number, weight: number, weightScales: number, weightSums: number, bias: number,
    out: number, rows: number, inputs: number, outputs: number,
  ): void;
  tokens(patches: number, cls: number, position: number, out: number, patchCount: number, columns: number): void;
  layerNorm(x: number, gamma: number, beta: number, out: number, rows: number, columns: number, epsilon: number): void;
  attention(
    q: number, k: number, v: number, scores: number, out: number, tokens: number, columns: number, heads: number,
  ): void;
  gelu(x: number, out: number, count: number): void;
  tanh(x: number, out: number, count: number): void;
  add(a: number, b: number, out: number, count: number): void;
  copy(x: number, out: number, count: number): void;
}

/** Binds a compiled module of the kernels to a memory. The host compiles it: some hosts forbid compiling from bytes. */
export function instantiateKernels(module: WebAssembly.Module, memory: WebAssembly.Memory): Kernels {
  return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Kernels;
}
