/**
 * Constants of vector code lie in memory: engines make a v128 constant anew in every iteration of a loop, where a load
 * is one instruction (V8 in Node 24, 2^x: 4.8 ns a register with constants in the code, 2.0 ns with these, loaded
 * before the loop).
 */
// @ts-ignore: decorator
@inline
export function constant(table: usize, index: usize): v128 {
  return v128.load32_splat(table + (index << 2));
}
