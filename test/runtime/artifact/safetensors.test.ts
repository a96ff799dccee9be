/** The safetensors reader against files that lie, each attack by its name; and the writer against the reader. */
import { describe, expect, it } from 'vitest';
import { ArtifactError, type ArtifactErrorCode } from '../../../runtime/artifact/errors.ts';
import {
  parseSafetensorsHeader,
  readSafetensors,
  safetensorsPrefixBytes,
  type Tensor,
  writeSafetensors,
} from '../../../runtime/artifact/safetensors.ts';

function bytes(...values: number[]): Uint8Array {
  return Uint8Array.from(values);
}

const tensors = new Map<string, Tensor>([
  ['b', { dtype: 'I8', shape: [3], data: bytes(1, 2, 3) }],
  ['a', { dtype: 'F32', shape: [2, 1], data: bytes(0, 0, 128, 63, 0, 0, 0, 64) }],
  ['empty', { dtype: 'F16', shape: [0, 4], data: bytes() }],
]);

/** A file with this header text, however wrong, followed by data. */
function file(header: string, dataBytes = 0, claimed = BigInt(new TextEncoder().encode(header).length)): Uint8Array {
  const text = new TextEncoder().encode(header);
  const result = new Uint8Array(8 + text.length + dataBytes);
  new DataView(result.buffer).setBigUint64(0, claimed, true);
  result.set(text, 8);
  return result;
}

function entry(begin: number, end: number, fields = ''): string {
  return `{"dtype":"U8","shape":[${end - begin}],"data_offsets":[${begin},${end}]${fields}}`;
}

function errorOf(run: () => unknown): ArtifactError {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(ArtifactError);
    return error as ArtifactError;
  }
  throw new Error('expected an ArtifactError');
}

describe('writing and reading', () => {
  it('gives back the tensors and the metadata', () => {
    const read = readSafetensors(writeSafetensors(tensors, new Map([['key', 'välue "quoted"']])));
    expect(read.metadata).toEqual(new Map([['key', 'välue "quoted"']]));
    expect(new Map([...read.tensors].sort())).toEqual(new Map([...tensors].sort()));
  });

  it('gives equal bytes whatever the order', () => {
    const metadata = [
      ['x', '1'],
      ['a', '2'],
    ] as const;
    expect(writeSafetensors(new Map([...tensors].reverse()), new Map([...metadata].reverse()))).toEqual(
      writeSafetensors(tensors, new Map(metadata)),
    );
  });

  it('aligns the data to 8 bytes and every tensor to its element', () => {
    const { dataOffset, entries } = parseSafetensorsHeader(writeSafetensors(tensors));
    expect(dataOffset % 8).toBe(0);
    expect(entries.get('a')?.begin).toBe(0);
    expect(entries.get('b')?.begin).toBe(8);
  });

  it('reads a header from a prefix, told the size of the file', () => {
    const whole = writeSafetensors(tensors);
    const prefix = whole.subarray(0, safetensorsPrefixBytes(whole.subarray(0, 8)));
    expect(parseSafetensorsHeader(prefix, whole.length)).toEqual(parseSafetensorsHeader(whole));
  });

  it('reads tensors that begin at odd offsets', () => {
    const odd = file(`{"x":${entry(0, 3)},"y":{"dtype":"F32","shape":[1],"data_offsets":[3,7]}}`, 7);
    expect(readSafetensors(odd).tensors.get('y')?.data).toEqual(new Uint8Array(4));
  });

  it('refuses to write data of the wrong length, and the reserved name', () => {
    expect(
      errorOf(() => writeSafetensors(new Map([['x', { dtype: 'F32', shape: [2], data: bytes(1) }]]))).message,
    ).toBe('tensor "x": expected 8 bytes for [2] of F32, got 1');
    expect(
      errorOf(() => writeSafetensors(new Map([['__metadata__', { dtype: 'U8', shape: [0], data: bytes() }]]))).code,
    ).toBe('name');
  });
});

describe('a hostile file', () => {
  const attacks: [name: string, file: Uint8Array, code: ArtifactErrorCode, message: RegExp][] = [
    ['is empty', bytes(), 'truncated', /at least 8 bytes, got 0/],
    ['ends inside its length', bytes(1, 0, 0), 'truncated', /got 3/],
    ['claims a header past its end', file('{}', 0, 100n), 'truncated', /at least 108 bytes, got 10/],
    [
      'claims a header of 2^64 - 1 bytes',
      file('{}', 0, 2n ** 64n - 1n),
      'header',
      /at most 4194304 bytes, got 18446744073709551615/,
    ],
    ['claims a header just over the limit', file('{}', 0, 16777217n), 'header', /16777217/],
    [
      'has a header that is not UTF-8',
      file('{}').map((byte, i) => (i === 9 ? 0xff : byte)),
      'header',
      /expected UTF-8/,
    ],
    ['has a header that is not JSON', file('{"x":'), 'header', /expected JSON/],
    ['begins its header with a byte order mark', file('\ufeff{}'), 'header', /expected JSON/],
    ['has a header that is a list', file('[]'), 'header', /expected an object, got \[\]/],
    ['nests its header deep', file(`{"x":${'['.repeat(100_000)}`), 'header', /more than 32 deep/],
    [
      'holds a million values',
      file(`{"__metadata__":{${Array.from({ length: 300_000 }, (_, i) => `"${i}":""`).join()}}}`),
      'header',
      /more than 32 deep or 262144 values/,
    ],
    ['holds a name twice', file(`{"x":${entry(0, 1)},"x":${entry(0, 1)}}`, 1), 'name', /name twice/],
    [
      'hides a doubled name behind an escape',
      file(`{"x":${entry(0, 1)},"\\u0078":${entry(0, 1)}}`, 1),
      'name',
      /name twice/,
    ],
    ['names a tensor __proto__', file(`{"__proto__":${entry(0, 1)}}`, 1), 'name', /forbidden name "__proto__"/],
    ['names a tensor constructor', file(`{"constructor":${entry(0, 1)}}`, 1), 'name', /forbidden/],
    ['has an unknown dtype', file('{"x":{"dtype":"F13","shape":[],"data_offsets":[0,0]}}'), 'dtype', /BF16.*got "F13"/],
    [
      'has a dtype out of the prototype',
      file('{"x":{"dtype":"toString","shape":[],"data_offsets":[0,0]}}'),
      'dtype',
      /toString/,
    ],
    [
      'has a negative size',
      file('{"x":{"dtype":"U8","shape":[-1],"data_offsets":[0,0]}}'),
      'shape',
      /shape\[0\]: expected a whole number .*, got -1/,
    ],
    ['has half a size', file('{"x":{"dtype":"U8","shape":[0.5],"data_offsets":[0,0]}}'), 'shape', /0\.5/],
    [
      'has a size over 2^53',
      file('{"x":{"dtype":"U8","shape":[9007199254740993],"data_offsets":[0,0]}}'),
      'shape',
      /a whole number/,
    ],
    [
      'has sizes whose product overflows',
      file('{"x":{"dtype":"U8","shape":[4294967296,4294967296,0],"data_offsets":[0,0]}}'),
      'shape',
      /expected Infinity bytes/,
    ],
    [
      'has ten thousand axes',
      file(`{"x":{"dtype":"U8","shape":[${'1,'.repeat(9999)}1],"data_offsets":[0,1]}}`, 1),
      'shape',
      /got .{0,100}$/,
    ],
    [
      'has a shape that does not fit its bytes',
      file('{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}', 4),
      'shape',
      /expected 8 bytes for \[2\] of F32, got 4/,
    ],
    [
      'ends a tensor before it begins',
      file('{"x":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}}', 1),
      'shape',
      /expected 1 bytes .*, got -1/,
    ],
    ['has a third offset', file('{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}}', 1), 'offsets', /\[0,1,2\]/],
    [
      'has tensors that overlap',
      file(`{"x":${entry(0, 4)},"y":${entry(2, 6)}}`, 6),
      'offsets',
      /"y": expected it to begin at 4, got 2/,
    ],
    [
      'has two tensors in one place',
      file(`{"x":${entry(0, 4)},"y":${entry(0, 4)}}`, 4),
      'offsets',
      /begin at 4, got 0/,
    ],
    [
      'has a hole',
      file(`{"x":${entry(0, 4)},"y":${entry(5, 6)}}`, 6),
      'offsets',
      /"y": expected it to begin at 4, got 5/,
    ],
    ['begins with a hole', file(`{"x":${entry(1, 4)}}`, 4), 'offsets', /begin at 0, got 1/],
    ['is cut short', file(`{"x":${entry(0, 4)}}`, 3), 'truncated', /at least \d+ bytes, got \d+/],
    [
      'goes on after its tensors',
      file(`{"x":${entry(0, 4)}}`, 9),
      'offsets',
      /expected a safetensors file of \d+ bytes, got \d+/,
    ],
    [
      'has a tensor with an unknown field',
      file(`{"x":${entry(0, 1, ',"more":1')}}`, 1),
      'header',
      /unknown field "more"/,
    ],
    ['has a tensor that is null', file('{"x":null}'), 'header', /expected an object, got null/],
    ['has metadata that is not text', file('{"__metadata__":{"a":1}}'), 'header', /expected a string, got 1/],
  ];

  it.each(attacks)('%s', (_, hostile, code, message) => {
    const error = errorOf(() => readSafetensors(hostile));
    expect(error.message).toMatch(message);
    expect(error.code).toBe(code);
    expect(error.message.length).toBeLessThan(300);
  });
});
