// The kernels that a plan may call (../../artifact/plan.ts). Operands are addresses in the one linear memory; sizes count elements.
// Nothing here allocates, and nothing is checked: a plan is checked before it runs.
export { patchify } from './patchify';
export { linear } from './linear';
export { quantizeRows, sumRows } from './quantize';
export { linearInt8 } from './linear-int8';
export { tokens } from './tokens';
export { layerNorm } from './layer-norm';
export { attention } from './attention';
export { gelu } from './gelu';
export { tanh } from './tanh';
export { add } from './add';
export { copy } from './copy';
