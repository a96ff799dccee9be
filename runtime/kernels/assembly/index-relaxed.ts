// The build with relaxed SIMD: the same kernels, and the choice of how tiles add up.
export * from './index';
export { addInPairs } from './tile';
