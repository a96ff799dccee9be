/** Which builds of the kernels a host can run. All compute the same bits; the relaxed ones are faster. */

/** A module with one function that takes an i16x8.relaxed_dot_i8x16_i7x16_s, a section a line. */
// biome-ignore format: a section a line
const PROBE = Uint8Array.from([
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, // magic, version
  0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b, // a type: () -> v128
  0x03, 0x02, 0x01, 0x00, // a function of it
  0x0a, 0x0f, 0x01, 0x0d, 0x00, 0x41, 0x00, 0xfd, 0x0f, 0x41, 0x00, 0xfd, 0x0f, 0xfd, 0x92, 0x02, 0x0b, // splat(0), splat(0), dot
]);

/**
 * Whether the host runs relaxed SIMD. Node up to 21 has it behind a flag, with which it computes wrong results: there
 * the answer is no, whatever its flags.
 */
export function supportsRelaxedSimd(): boolean {
  return !isOldNode() && WebAssembly.validate(PROBE);
}

function isOldNode(): boolean {
  const { process } = globalThis as { process?: { versions?: { node?: string; bun?: string } } };
  return process?.versions?.bun === undefined && /^(1\d|20|21)\./.test(process?.versions?.node ?? '');
}
