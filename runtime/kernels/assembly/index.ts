// The kernels that a plan may call (../../artifact/steps.ts). Operands are addresses in the one linear memory; sizes
// count elements. Nothing here allocates, and nothing is checked: a plan is checked before it runs.
export { patchify } from './patchify';
export { linear } from './linear';
export { quantizeRows } from './quantize';
export { unpackWeight, unpackTable } from './int4';
export { prepareColumns } from './tile';
export { linearInt8, lowRankInt8 } from './linear-int8';
export { tokens, prefixTokens, embedding } from './tokens';
export { layerNorm } from './layer-norm';
export { attention } from './attention';
export { attentionInt16 } from './attention-int16';
export { gelu } from './gelu';
export { tanh } from './tanh';
export { relu } from './relu';
export { sigmoid, silu, quickGelu, geluTanh, mish, relu6, reluSquared, leakyRelu, hardSwish } from './activations';
export { add } from './add';
export { multiply } from './multiply';
export { selectRow, meanRows, concat } from './rows';
