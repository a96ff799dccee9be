/** The tests' own tools notice what they are for. */
import { describe, expect, it } from 'vitest';
import { digestOf, type Outputs, referenceSide, type Side } from './harness.ts';

const side = referenceSide();
const run = (what: (side: Side) => Outputs): Outputs => side.run({ kernel: 'selectRow', name: 'a case', run: what });

describe('a side', () => {
  it('lets kernels write their outputs and scratch', () => {
    run(() => {
      side.put(Float32Array.of(1, 2));
      side.floats(3).fill(5);
      side.bytes(7).fill(5);
      new Uint8Array(side.memory.buffer, side.scratch('layerNorm', { columns: 5 }), 20).fill(5);
      return {};
    });
  });

  it.each([
    ['before an output', (): Uint8Array => new Uint8Array(side.memory.buffer, side.floats(3).byteOffset - 1, 1)],
    ['after an output', (): Uint8Array => new Uint8Array(side.memory.buffer, side.floats(3).byteOffset + 12, 1)],
    [
      'after scratch',
      (): Uint8Array => new Uint8Array(side.memory.buffer, side.scratch('layerNorm', { columns: 5 }) + 20, 1),
    ],
    ['into an input', (): Uint8Array => new Uint8Array(side.memory.buffer, side.put(Float32Array.of(1, 2)) + 7, 1)],
    ["into the kernels' constants", (): Uint8Array => new Uint8Array(side.memory.buffer, 16, 1)],
    ['far behind everything', (): Uint8Array => new Uint8Array(side.memory.buffer, 60_000, 1)],
  ])('notices a byte written %s', (_, place) => {
    let written: Uint8Array | undefined;
    expect(() =>
      run(() => {
        written = place();
        written[0] ^= 1;
        return {};
      }),
    ).toThrow('outside of its outputs and scratch');
    written![0] ^= 1;
  });
});

it('a digest tells a bit from another, and no NaN from another', () => {
  const of = (bits: number): Float32Array => new Float32Array(Uint32Array.of(bits).buffer);
  expect(digestOf({ close: [of(0x80000000)] })).not.toBe(digestOf({ close: [of(0)] }));
  expect(digestOf({ nan: [of(0xffffffff)] })).toBe(digestOf({ nan: [of(0x7fc00000)] }));
  expect(digestOf({ nan: [of(0)] })).not.toBe(digestOf({ nan: [of(0x7fc00000)] }));
});
