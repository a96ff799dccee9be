/** PyTorch's files: what torch.save wrote, and what an attacker did. */
import { mkdirSync, readFileSync } from 'node:fs';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { UserError } from '../../cli/io/errors.ts';
import { tensorsOf } from '../../cli/models/layers.ts';
import { loadCheckpoint } from '../../cli/pretrained/checkpoint.ts';
import { openPytorchFile } from '../../cli/pretrained/pytorch-file.ts';
import { vitArchitecture } from '../../cli/pretrained/vit-checkpoint.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { denseTensors, tinyConfig, tinyVit } from '../support/tiny-vit.ts';
import { type ZipPart, zipOf } from '../support/zip.ts';

const fixture = fileURLToPath(new URL('fixtures/tensors.bin', import.meta.url));
const root = temporaryFolder();
let count = 0;
let folder: string;
beforeEach(() => {
  folder = join(root, String(count++));
  mkdirSync(folder);
});

// ---- pickles, as torch.save writes them ----

const bytes = (...parts: (number | string | Uint8Array)[]): Uint8Array =>
  Buffer.concat(parts.map((part) => (typeof part === 'number' ? Buffer.of(part) : Buffer.from(part as string))));
function int32(value: number): Uint8Array {
  const four = Buffer.alloc(4);
  four.writeInt32LE(value);
  return four;
}
const text = (value: string): Uint8Array => bytes('X', int32(Buffer.byteLength(value)), value);
const int = (value: number): Uint8Array => bytes('J', int32(value));
const global = (module: string, name: string): Uint8Array => bytes(`c${module}\n${name}\n`);
const tuple = (...items: Uint8Array[]): Uint8Array => bytes('(', ...items, 't');
const call = (callee: Uint8Array, ...args: Uint8Array[]): Uint8Array => bytes(callee, tuple(...args), 'R');
const pickle = (...body: Uint8Array[]): Uint8Array => bytes(0x80, 2, ...body, '.');
const dict = (...items: Uint8Array[]): Uint8Array => bytes('}(', ...items, 'u');
const storage = ({ type = 'FloatStorage', key = '0', elements = 6 } = {}): Uint8Array =>
  bytes(tuple(text('storage'), global('torch', type), text(key), text('cpu'), int(elements)), 'Q');

interface Lie {
  readonly type?: string;
  readonly key?: string;
  readonly elements?: number;
  readonly offset?: Uint8Array;
  readonly shape?: readonly Uint8Array[];
  readonly strides?: readonly Uint8Array[];
}

function tensor({
  offset = int(0),
  shape = [int(2), int(3)],
  strides = [int(3), int(1)],
  ...where
}: Lie = {}): Uint8Array {
  return call(
    global('torch._utils', '_rebuild_tensor_v2'),
    storage(where),
    offset,
    tuple(...shape),
    tuple(...strides),
    bytes(0x89),
    call(global('collections', 'OrderedDict')),
  );
}

const SIX = new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6).buffer);
const archive = (data: Uint8Array, changes: Partial<Record<string, Uint8Array | null>> = {}): ZipPart[] =>
  Object.entries({
    'x/data.pkl': data,
    'x/byteorder': Buffer.from('little'),
    'x/data/0': SIX,
    'x/version': Buffer.from('3\n'),
    ...changes,
  }).flatMap(([name, content]) => (content ? [{ name, content }] : []));

async function opened(content: Uint8Array): ReturnType<typeof openPytorchFile> {
  const path = join(folder, 'pytorch_model.bin');
  await writeFile(path, content);
  return openPytorchFile(path);
}

/** Reads x of a file, and closes it. */
async function readX(content: Uint8Array, name = 'x'): Promise<number[]> {
  const file = await opened(content);
  try {
    return [...(await file.read(name))];
  } finally {
    await file.close();
  }
}

async function refusal(run: Promise<unknown>): Promise<UserError> {
  const error = await run.then(
    () => new Error('not refused'),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof UserError)) throw error;
  return error;
}

describe('a file of torch.save', () => {
  const values = [1.5, -2, 0.25, 3, 0, -0.5];
  const base = Array.from({ length: 24 }, (_, i) => i / 8 - 1);

  it('has its tensors, in every float dtype, contiguous or not, several in one storage', async () => {
    const file = await openPytorchFile(fixture);
    const expected: [name: string, shape: number[], values: number[]][] = [
      ['weight', [2, 3], values],
      ['bias', [2], [0.5, -0.5]],
      ['half', [2, 3], values],
      ['bfloat16', [2, 3], values],
      ['double', [2, 3], values],
      ['transposed', [6, 4], Array.from({ length: 24 }, (_, i) => base[6 * (i % 4) + Math.floor(i / 4)])],
      ['slice', [2, 3], [8, 9, 10, 14, 15, 16].map((i) => base[i])],
      ['parameter', [3], [1.5, -2, 0.25]],
      ['scalar', [], [7]],
      ['empty', [0, 3], []],
    ];
    for (const [name, shape, numbers] of expected) {
      expect(file.shapes.get(name), name).toEqual(shape);
      expect([...(await file.read(name))], name).toEqual(numbers);
    }
    expect([...file.shapes.keys()]).toEqual([...expected.map(([name]) => name), 'embeddings.position_ids']);
    await expect(file.read('embeddings.position_ids')).rejects.toThrow(
      `tensor embeddings.position_ids in ${fixture}: expected floats, got a LongStorage`,
    );
    await expect(file.read('none')).rejects.toThrow(`tensor none is missing in ${fixture}`);
    await file.close();
  });

  it('is read as the test writes one', async () => {
    expect(await readX(zipOf(archive(pickle(dict(text('x'), tensor())))))).toEqual([1, 2, 3, 4, 5, 6]);
    expect(await readX(zipOf(archive(pickle(dict(text('x'), tensor()))), { zip64: true }))).toEqual([1, 2, 3, 4, 5, 6]);
    expect(await readX(zipOf(archive(pickle(dict(text('x'), tensor()))), { comment: 'PK\x05\x06 a comment' }))).toEqual(
      [1, 2, 3, 4, 5, 6],
    );
  });

  it('cut short anywhere is refused', async () => {
    const whole = readFileSync(fixture);
    for (let length = 0; length < whole.length; length += 7) {
      const error = await refusal(opened(whole.subarray(0, length)));
      expect(error.message, String(length)).toContain(`${folder}/pytorch_model.bin`);
    }
  });

  it('with a byte changed reads, or is refused in words', async () => {
    const whole = readFileSync(fixture);
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: whole.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        async (at, flip) => {
          const changed = Buffer.from(whole);
          changed[at] ^= flip;
          try {
            const file = await opened(changed);
            try {
              for (const name of file.shapes.keys()) await file.read(name);
            } finally {
              await file.close();
            }
          } catch (error) {
            if (!(error instanceof UserError)) throw error;
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('a checkpoint in pytorch_model.bin', () => {
  /** The tiny ViT as torch.save would write it: a storage for each tensor. */
  function tinyArchive(keep: (index: number) => boolean = () => true): Uint8Array {
    const parts = tensorsOf(tinyVit.layers).flatMap((spec, index) => {
      const [{ name, shape }] = vitArchitecture.storedAs(spec, tinyConfig);
      return keep(index) ? [{ key: String(index), name, shape, data: denseTensors.get(spec.name)! }] : [];
    });
    const items = parts.flatMap(({ key, name, shape, data }) => {
      const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
      return [text(name), tensor({ key, elements: data.length, shape: shape.map(int), strides: strides.map(int) })];
    });
    return zipOf(
      archive(
        pickle(dict(...items)),
        Object.fromEntries(
          parts.map(({ key, data }) => [
            `x/data/${key}`,
            new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
          ]),
        ),
      ),
    );
  }
  beforeEach(() => writeFile(join(folder, 'config.json'), JSON.stringify(vitArchitecture.writeConfig(tinyConfig))));

  it('loads', async () => {
    await writeFile(join(folder, 'pytorch_model.bin'), tinyArchive());
    expect((await loadCheckpoint(folder, { seed: 0 })).tensors).toEqual(denseTensors);
  });

  it('loads from shards', async () => {
    const shards = ['pytorch_model-00001-of-00002.bin', 'pytorch_model-00002-of-00002.bin'];
    for (const [i, shard] of shards.entries())
      await writeFile(
        join(folder, shard),
        tinyArchive((index) => index % 2 === i),
      );
    await writeFile(
      join(folder, 'pytorch_model.bin.index.json'),
      JSON.stringify({ weight_map: { a: shards[0], b: shards[1] } }),
    );
    expect((await loadCheckpoint(folder, { seed: 0 })).tensors).toEqual(denseTensors);
  });

  it.each(['../other.bin', '/etc/other.bin', 'model.safetensors', 'sub/pytorch_model.bin'])(
    'whose index leads to %s is refused',
    async (shard) => {
      await writeFile(join(folder, 'pytorch_model.bin.index.json'), JSON.stringify({ weight_map: { a: shard } }));
      expect((await refusal(loadCheckpoint(folder, { seed: 0 }))).message).toContain(
        `expected the name of a .bin file in the same folder, got ${JSON.stringify(shard)}`,
      );
    },
  );

  it('gives way to safetensors', async () => {
    await copyFile(fixture, join(folder, 'pytorch_model.bin'));
    await writeFile(join(folder, 'model.safetensors'), 'x');
    expect((await refusal(loadCheckpoint(folder, { seed: 0 }))).message).toContain('model.safetensors is damaged');
  });
});

describe('a pickle', () => {
  const refused = async (data: Uint8Array): Promise<string> => {
    const { message } = await refusal(opened(zipOf(archive(data))));
    expect(message).toContain(`${folder}/pytorch_model.bin: `);
    return message;
  };

  it.each([
    ['os', 'system'],
    ['posix', 'system'],
    ['builtins', 'eval'],
    ['__builtin__', 'exec'],
    ['subprocess', 'Popen'],
    ['torch', 'load'],
    ['torch._utils', '_rebuild_sparse_tensor'],
    ['numpy.core.multiarray', '_reconstruct'],
    ['torch', 'constructor'],
    ['__proto__', 'x'],
    ['collections', 'defaultdict'],
    ['torch', 'FloatStorage.__class__'],
  ])('that names %s.%s is refused by that name', async (module, name) => {
    expect(await refused(pickle(call(global(module, name), text('touch owned'))))).toContain(
      `it names "${module}.${name}", which no tensor needs`,
    );
  });

  it('is refused by the name that it hides behind others', async () => {
    expect(
      await refused(pickle(dict(text('x'), tensor(), text('y'), call(global('os', 'system'), text('true'))))),
    ).toContain('"os.system"');
  });

  const lies: [what: string, data: Uint8Array, expected: string][] = [
    ['of another protocol', bytes(0x80, 4, '}.'), 'expected protocol 2, got 4'],
    [
      'with an opcode that makes objects',
      pickle(global('collections', 'OrderedDict'), bytes(')', 0x81)),
      'opcode 0x81',
    ],
    ['with an opcode of INST', pickle(bytes('(ios\nsystem\n')), 'opcode 0x69'],
    [
      'that calls what is no function',
      pickle(global('torch', 'FloatStorage'), bytes(')R')),
      'it calls what is no function',
    ],
    ['that calls a text', pickle(text('os.system'), bytes(')R')), 'it calls what is no function'],
    ['that calls a tensor', pickle(tensor(), bytes(')R')), 'it calls what is no function'],
    ['that ends early', bytes(0x80, 2, '}'), 'it is cut short'],
    ['of nothing', new Uint8Array(), 'it is cut short'],
    ['of a text longer than it', pickle(bytes('X', int32(0x7fffffff))), 'it is cut short'],
    ['of a text of 4 GB', pickle(bytes('X', int32(-1))), 'it is cut short'],
    ['of a text that is no UTF-8', pickle(bytes('X', int32(1), 0xff)), 'a text is no UTF-8'],
    ['of an integer of 200 bytes', pickle(bytes(0x8a, 200, new Uint8Array(200))), 'an integer of 200 bytes'],
    ['of an integer beyond 2^53', pickle(bytes(0x8a, 8, new Uint8Array(8).fill(0x7f))), 'an integer beyond 2^53'],
    ['that takes from an empty stack', pickle(bytes('0')), 'it takes a value that is not there'],
    ['that takes a mark', pickle(bytes('(0')), 'it takes a value that is not there'],
    ['that takes to a mark that is not there', pickle(bytes('t')), 'it takes values that are not there'],
    ['that recalls what it never kept', pickle(bytes('h', 7)), 'it recalls value 7'],
    ['that leaves values over', pickle(bytes('}}')), 'values are left over'],
    [
      'that sets items of a text',
      pickle(text('x'), text('k'), text('v'), bytes('s')),
      'it sets items of what is no dict',
    ],
    ['that sets half an item', pickle(bytes('}('), text('k'), bytes('u')), 'it sets items of what is no dict'],
    ['that appends to a dict', pickle(bytes('}'), text('x'), bytes('a')), 'it appends to what is no list'],
    ['that sets attributes of a tensor', pickle(tensor(), bytes('}b')), 'it sets attributes of what is no dict'],
    [
      'with another object outside it',
      pickle(tuple(text('module'), text('x')), bytes('Q')),
      'an object outside it that is no storage',
    ],
    [
      'with a storage of no known type',
      pickle(tuple(text('storage'), text('FloatStorage'), text('0'), text('cpu'), int(1)), bytes('Q')),
      'an object outside it that is no storage',
    ],
    ['with a storage of -1 elements', pickle(storage({ elements: -1 })), 'an object outside it that is no storage'],
    [
      'with a function as storage',
      pickle(tuple(text('storage'), global('collections', 'OrderedDict'), text('0'), text('cpu'), int(1)), bytes('Q')),
      'an object outside it that is no storage',
    ],
    [
      'with a tensor larger than its storage',
      pickle(tensor({ shape: [int(3), int(3)] })),
      'a tensor of shape (3, 3), strides (3, 1) and offset 0 in a storage of 6 elements',
    ],
    [
      'with a tensor whose offset leaves its storage',
      pickle(tensor({ offset: int(1) })),
      'offset 1 in a storage of 6 elements',
    ],
    ['with a tensor whose strides leave its storage', pickle(tensor({ strides: [int(6), int(1)] })), 'strides (6, 1)'],
    [
      'with a tensor of a billion times one element',
      pickle(tensor({ elements: 1, shape: [int(1e9)], strides: [int(0)] })),
      'a tensor of shape (1000000000)',
    ],
    ['with a tensor of a negative size', pickle(tensor({ shape: [int(-2), int(-3)] })), 'make none'],
    ['with a tensor of negative strides', pickle(tensor({ offset: int(5), strides: [int(-3), int(-1)] })), 'make none'],
    ['with a tensor of a size that is no number', pickle(tensor({ shape: [text('2'), int(3)] })), 'make none'],
    [
      'with a tensor of half a size',
      pickle(tensor({ shape: [bytes('G', new Uint8Array([0x3f, 0xe0, 0, 0, 0, 0, 0, 0])), int(3)] })),
      'make none',
    ],
    ['with a tensor of more strides than axes', pickle(tensor({ strides: [int(3), int(1), int(1)] })), 'make none'],
    [
      'with a tensor of a hundred axes',
      pickle(tensor({ shape: Array(100).fill(int(1)), strides: Array(100).fill(int(1)) })),
      'make none',
    ],
    [
      'with a tensor of no storage',
      pickle(call(global('torch._utils', '_rebuild_tensor_v2'), text('0'), int(0), tuple(), tuple())),
      'make none',
    ],
    ['of a tensor alone', pickle(tensor()), 'expected a dict of tensors'],
    ['of a list', pickle(bytes(']')), 'expected a dict of tensors'],
  ];
  it.each(lies)('%s is refused', async (_, data, expected) => {
    expect(await refused(data)).toContain(expected);
  });

  it('of values without end is refused before memory is', async () => {
    expect(await refused(pickle(Buffer.alloc(1 << 20, '}')))).toContain('more than 524288 values');
  });

  it('that keeps a list in itself, a hundred thousand deep, is read', async () => {
    // Nothing walks down it.
    const nested = bytes(']', Buffer.alloc(100_000, ']'), Buffer.alloc(100_000, 'a'));
    expect(await readX(zipOf(archive(pickle(dict(text('list'), nested, text('x'), tensor())))))).toEqual([
      1, 2, 3, 4, 5, 6,
    ]);
  });
});

describe('a zip file', () => {
  const good = archive(pickle(dict(text('x'), tensor())));

  it.each([
    ['of another kind', () => bytes(0x80, 2, 0x8a, 10, '.'), 'is no file of torch.save: neither a zip file'],
    ['of no bytes', () => new Uint8Array(), 'is no file of torch.save'],
    ['compressed', () => zipOf(good, { method: 8 }), 'x/data.pkl is compressed'],
    ['encrypted', () => zipOf(good, { flags: 1 }), 'x/data.pkl is encrypted'],
    ['without a pickle', () => zipOf(archive(pickle(), { 'x/data.pkl': null })), 'expected one data.pkl, got 0'],
    ['with two pickles', () => zipOf(archive(pickle(), { 'y/data.pkl': pickle() })), 'expected one data.pkl, got 2'],
    ['with one name twice', () => zipOf([...good, good[0]]), 'two entries x/data.pkl'],
    [
      'of another byte order',
      () => zipOf(archive(pickle(), { 'x/byteorder': Buffer.from('big') })),
      'expected little-endian numbers, got "big"',
    ],
    ['whose directory lies elsewhere', () => zipOf(good, { directoryOffset: 0xfffffff0 }), 'expected a directory of'],
    ['whose directory is no directory', () => zipOf(good, { directoryOffset: 3 }), 'no entry at 3'],
    [
      'whose directory is enormous',
      () => zipOf(good, { directoryBytes: 0xfffffff0 }),
      'a directory of 4294967280 bytes',
    ],
    [
      'whose entry lies elsewhere',
      () => zipOf(good, { headerOffset: 0xfffffff0 }),
      'expected x/byteorder at 4294967280',
    ],
    ['whose entry is no entry', () => zipOf(good, { headerOffset: 1 }), 'no x/byteorder at 1'],
    ['whose entry is longer than it', () => zipOf(good, { entryBytes: 0x7fffffff }), 'a pickle of 2147483647 bytes'],
    [
      'whose zip64 record lies elsewhere',
      () => zipOf(good, { zip64: true, end64Offset: 2 ** 52 }),
      'expected the end of a zip file at 4503599627370496',
    ],
    ['whose zip64 record is none', () => zipOf(good, { zip64: true, end64Offset: 0 }), 'no end of a zip file at 0'],
  ])('%s is refused', async (_, content, expected) => {
    expect((await refusal(opened(content()))).message).toContain(expected);
  });

  it('without the bytes of a tensor, or with too few, is refused when it is read', async () => {
    expect(
      (await refusal(readX(zipOf(archive(pickle(dict(text('x'), tensor())), { 'x/data/0': null }))))).message,
    ).toContain('expected 24 bytes of storage 0, got 0');
    expect(
      (await refusal(readX(zipOf(archive(pickle(dict(text('x'), tensor())), { 'x/data/0': SIX.subarray(4) })))))
        .message,
    ).toContain('expected 24 bytes of storage 0, got 20');
    expect(
      (await refusal(readX(zipOf(archive(pickle(dict(text('x'), tensor({ key: '../0' }))), {}))))).message,
    ).toContain('expected 24 bytes of storage ../0, got 0');
  });

  it('that is a folder, or not there, is named', async () => {
    expect((await refusal(openPytorchFile(folder))).message).toBe(`${folder} is no file`);
    expect((await refusal(openPytorchFile(join(folder, 'none.bin')))).message).toContain(
      `can't read ${folder}/none.bin`,
    );
    expect(await readFile(fixture).then((content) => content.subarray(0, 2).toString())).toBe('PK');
  });
});
