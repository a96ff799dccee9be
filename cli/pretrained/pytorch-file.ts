/**
 * PyTorch's own files (pytorch_model.bin): a zip file with a pickle, which tells the tensors, and the bytes of each
 * storage beside it; before 1.6, pickles and then the storages. A pickle is read by a table of the few names that
 * tensors need, so that a stranger's file runs nothing. Tensors are read one at a time, straight from the file. The
 * layout is that of torch/serialization.py and torch/_utils.py (`_rebuild_tensor_v2`).
 */
import type { FileHandle } from 'node:fs/promises';
import { elementCount, type Shape } from '../graph/graph.ts';
import { UserError } from '../io/errors.ts';
import {
  type Global,
  type Made,
  type Pickled,
  PickleError,
  type PickleTable,
  unpickle,
  unpickleOne,
} from './pickle.ts';
import { damagedFile, type FloatDtype, openFile, readBytes, type TensorFile, toFloat32 } from './tensor-file.ts';
import { entryStart, readZipDirectory, type ZipEntry } from './zip.ts';

/** A storage's elements. Integers are known, so that a buffer of them does no harm; they can't be read. */
interface Elements {
  readonly bytes: number;
  readonly dtype: FloatDtype | null;
}

const STORAGES: Readonly<Record<string, Elements>> = {
  FloatStorage: { bytes: 4, dtype: 'F32' },
  DoubleStorage: { bytes: 8, dtype: 'F64' },
  HalfStorage: { bytes: 2, dtype: 'F16' },
  BFloat16Storage: { bytes: 2, dtype: 'BF16' },
  LongStorage: { bytes: 8, dtype: null },
  IntStorage: { bytes: 4, dtype: null },
  ShortStorage: { bytes: 2, dtype: null },
  CharStorage: { bytes: 1, dtype: null },
  ByteStorage: { bytes: 1, dtype: null },
  BoolStorage: { bytes: 1, dtype: null },
};

interface Storage extends Made {
  readonly kind: 'storage';
  readonly type: string;
  readonly key: string;
  /** Elements, from the one at `start` of what lies under the key. */
  readonly start: number;
  readonly count: number;
}

/** A view of a storage; strides and offset count elements. */
interface StoredTensor extends Made {
  readonly kind: 'tensor';
  readonly storage: Storage;
  readonly offset: number;
  readonly shape: Shape;
  readonly strides: readonly number[];
}

const MAX_PICKLE_BYTES = 1 << 26;
const MAX_AXES = 8;

/**
 * Opens a PyTorch file. UserErrors name what is damaged, what is no tensor, and the first name that a tensor doesn't
 * need.
 */
export async function openPytorchFile(path: string): Promise<TensorFile> {
  const { file, size } = await openFile(path);
  try {
    const begin = await readBytes(file, 0, Math.min(size, LEGACY_MAGIC.length));
    if (Buffer.from(begin).equals(LEGACY_MAGIC)) return await openLegacyFile(file, size, path);
    expectZip(path, begin);
    const entries = await readZipDirectory(file, size, path);
    const bytesOf = async (entry: ZipEntry): Promise<Uint8Array<ArrayBuffer>> =>
      readBytes(file, await entryStart(file, size, entry, path), entry.bytes);
    const folder = archiveFolder(entries, path);
    const order = entries.get(`${folder}byteorder`);
    if (order && order.bytes < 16) {
      const told = new TextDecoder().decode(await bytesOf(order)).trim();
      if (told !== 'little')
        throw new UserError(
          `${path}: expected little-endian numbers, got ${JSON.stringify(told)}`,
          'Save it on another machine.',
        );
    }
    const pickle = entries.get(`${folder}data.pkl`)!;
    if (pickle.bytes > MAX_PICKLE_BYTES) throw damagedFile(path, `a pickle of ${pickle.bytes} bytes`);
    const pickled = await bytesOf(pickle);
    const tensors = tensorsIn(
      unpickled(path, () => unpickle(pickled, { globals: GLOBALS, persistent: storageOf })),
      path,
    );
    return tensorFile(path, file, tensors, async ({ key, type, start, count }) => {
      const entry = entries.get(`${folder}data/${key}`);
      const needed = STORAGES[type].bytes * (start + count);
      if (!entry || entry.bytes < needed)
        throw damagedFile(path, `expected ${needed} bytes of storage ${key}, got ${entry?.bytes ?? 0}`);
      return entryStart(file, size, entry, path);
    });
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** A file of tensors; `startOf` says where the bytes of a storage begin. */
function tensorFile(
  path: string,
  file: FileHandle,
  tensors: ReadonlyMap<string, StoredTensor>,
  startOf: (storage: Storage) => Promise<number>,
): TensorFile {
  return {
    path,
    shapes: new Map([...tensors].map(([name, { shape }]) => [name, shape])),
    async read(name) {
      const tensor = tensors.get(name);
      if (!tensor) throw new UserError(`tensor ${name} is missing in ${path}`);
      const { storage } = tensor;
      const { bytes, dtype } = STORAGES[storage.type];
      if (!dtype) throw new UserError(`tensor ${name} in ${path}: expected floats, got a ${storage.type}`);
      const first = (await startOf(storage)) + (storage.start + tensor.offset) * bytes;
      if (isContiguous(tensor))
        return toFloat32(await readBytes(file, first, elementCount(tensor.shape) * bytes), dtype);
      const reach = (1 + lastOf(tensor)) * bytes;
      return strided(toFloat32(await readBytes(file, first, reach), dtype), tensor);
    },
    close: () => file.close(),
  };
}

/** The pickle of torch.serialization.MAGIC_NUMBER, then that of PROTOCOL_VERSION: how files before 1.6 begin. */
const LEGACY_MAGIC = Buffer.from('80028a0a6cfc9c46f9206aa850192e80024de9032e', 'hex');

/**
 * A file as torch.save wrote it before 1.6 (torch/serialization.py, `_legacy_save`): pickles one after the other (of the
 * machine, of the tensors, of the storages' keys), then each storage, its number of elements before it.
 */
async function openLegacyFile(file: FileHandle, size: number, path: string): Promise<TensorFile> {
  const head = await readBytes(file, 0, Math.min(size, MAX_PICKLE_BYTES));
  const storages = new Map<string, Storage>();
  const persistent = (id: Pickled): Pickled => {
    const storage = legacyStorageOf(id);
    storages.set(storage.key, storage);
    return storage;
  };
  let at = LEGACY_MAGIC.length;
  const next = (table: PickleTable): Pickled =>
    unpickled(path, () => {
      const { value, end } = unpickleOne(head.subarray(at), table);
      at += end;
      return value;
    });
  const noStorages = { globals: GLOBALS, persistent: refusePersistent };
  const machine = next(noStorages);
  if (machine instanceof Map && machine.get('little_endian') === false)
    throw new UserError(`${path}: expected little-endian numbers`, 'Save it on another machine.');
  const tensors = tensorsIn(next({ globals: GLOBALS, persistent }), path);
  const keys = next(noStorages);
  const starts = await legacyStarts(file, size, path, at, Array.isArray(keys) ? keys : [], storages);
  return tensorFile(path, file, tensors, async ({ key }) => {
    const start = starts.get(key);
    if (start === undefined) throw damagedFile(path, `storage ${key} is not in it`);
    return start;
  });
}

/** Where the bytes of each storage begin, all of which have to be in the file. */
async function legacyStarts(
  file: FileHandle,
  size: number,
  path: string,
  first: number,
  keys: readonly Pickled[],
  storages: ReadonlyMap<string, Storage>,
): Promise<ReadonlyMap<string, number>> {
  const starts = new Map<string, number>();
  let at = first;
  for (const key of keys) {
    const storage = typeof key === 'string' ? storages.get(key) : undefined;
    if (!storage) throw damagedFile(path, `storage ${String(key)} belongs to no tensor`);
    const told = at + 8 <= size ? await readBytes(file, at, 8) : new Uint8Array(8);
    const count = new DataView(told.buffer).getBigInt64(0, true);
    at += 8;
    const bytes = STORAGES[storage.type].bytes * Number(count);
    if (count < BigInt(storage.start + storage.count) || !(at + bytes <= size))
      throw damagedFile(path, `storage ${storage.key} of ${count} elements does not fit into it`);
    starts.set(storage.key, at);
    at += bytes;
  }
  return starts;
}

function refusePersistent(): Pickled {
  throw new PickleError('an object outside it, where there is none');
}

/** ('storage', torch.FloatStorage, key, device, elements, None or (key of the view, its start, its elements)) */
function legacyStorageOf(id: Pickled): Storage {
  const storage = storageOf(id) as Storage;
  const view = Array.isArray(id) ? (id[5] ?? null) : null;
  if (view === null) return storage;
  const [, start, count] = Array.isArray(view) ? view : [];
  if (start === undefined || count === undefined || !isCount(start) || !isCount(count) || start + count > storage.count)
    throw new PickleError('a view of a storage that it does not fit');
  return { ...storage, start, count };
}

function expectZip(path: string, start: Uint8Array): void {
  if (start[0] === 0x50 && start[1] === 0x4b) return;
  throw new UserError(
    `${path} is no file of torch.save: neither a zip file, as since PyTorch 1.6, nor as before`,
    "Save it again with PyTorch: torch.save(torch.load(path, map_location='cpu', weights_only=True), path).",
  );
}

/** What the names of all entries begin with: the archive's name. */
function archiveFolder(entries: ReadonlyMap<string, ZipEntry>, path: string): string {
  const pickles = [...entries.keys()].filter((name) => /^[^/]+\/data\.pkl$/.test(name));
  if (pickles.length !== 1)
    throw new UserError(`${path}: expected one data.pkl, got ${pickles.length}`, 'It is no file of torch.save.');
  return pickles[0].slice(0, -'data.pkl'.length);
}

/** What `read` reads; a pickle that is refused becomes an error for the user. */
function unpickled(path: string, read: () => Pickled): Pickled {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof PickleError)) throw error;
    throw new UserError(
      `${path}: its pickle is refused: ${error.message}`,
      'Ask its author for safetensors, or save it so: save_pretrained(safe_serialization=True).',
    );
  }
}

/** What training scripts call the state dict in what they save beside it. */
const WITHIN = ['state_dict', 'model_state_dict', 'model', 'module', 'net'];

/** The tensors of a state dict, or of the one that a training script has saved with other things. */
function tensorsIn(given: Pickled, path: string): ReadonlyMap<string, StoredTensor> {
  const holdsTensors = (value: Pickled): boolean =>
    value instanceof Map && [...value.values()].some((one) => isMade(one, 'tensor'));
  const within = given instanceof Map && !holdsTensors(given) ? WITHIN.map((name) => given.get(name) ?? null) : [];
  const root = within.find(holdsTensors) ?? given;
  if (!(root instanceof Map))
    throw new UserError(
      `${path}: expected a dict of tensors`,
      'Save the state dict: torch.save(model.state_dict(), path).',
    );
  const tensors = new Map<string, StoredTensor>();
  for (const [name, value] of root)
    if (typeof name === 'string' && isMade(value, 'tensor')) tensors.set(name, value as StoredTensor);
  return tensors;
}

const GLOBALS: ReadonlyMap<string, Global> = new Map(
  [
    { name: 'collections.OrderedDict', call: orderedDict },
    { name: 'torch._utils._rebuild_tensor_v2', call: rebuildTensor },
    { name: 'torch._utils._rebuild_tensor', call: rebuildTensor },
    { name: 'torch._utils._rebuild_parameter', call: ([tensor]: readonly Pickled[]) => tensor ?? null },
    ...Object.keys(STORAGES).map((type) => ({ name: `torch.${type}` })),
  ].map((global) => [global.name, global]),
);

function orderedDict(args: readonly Pickled[]): Pickled {
  if (args.length > 0) throw new PickleError('an OrderedDict of arguments');
  return new Map();
}

function isMade(value: Pickled, kind: string): value is Made {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === kind;
}

function isCount(value: Pickled): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** ('storage', torch.FloatStorage, key, device, elements) */
function storageOf(id: Pickled): Pickled {
  const [tag, type, key, , count] = Array.isArray(id) ? id : [];
  const name = typeof type === 'object' && type !== null && 'name' in type ? type.name.replace(/^torch\./, '') : '';
  if (tag !== 'storage' || !Object.hasOwn(STORAGES, name) || typeof key !== 'string' || !isCount(count))
    throw new PickleError('an object outside it that is no storage');
  const storage: Storage = { kind: 'storage', type: name, key, start: 0, count };
  return storage;
}

/** (storage, offset, shape, strides, requires_grad, hooks, ...) */
function rebuildTensor([storage, offset, shape, strides]: readonly Pickled[]): Pickled {
  const areCounts = (list: Pickled): list is number[] =>
    Array.isArray(list) && list.length <= MAX_AXES && list.every(isCount);
  if (
    storage === undefined ||
    !isMade(storage, 'storage') ||
    !isCount(offset) ||
    !areCounts(shape) ||
    !areCounts(strides) ||
    shape.length !== strides.length
  ) {
    throw new PickleError('a tensor whose storage, shape and strides make none');
  }
  const tensor: StoredTensor = { kind: 'tensor', storage: storage as Storage, offset, shape, strides };
  const elements = elementCount(shape);
  // Each element is stored: a few bytes can't claim to be more numbers than they are.
  if (elements > tensor.storage.count || (elements > 0 && offset + lastOf(tensor) >= tensor.storage.count)) {
    throw new PickleError(
      `a tensor of shape (${shape.join(', ')}), strides (${strides.join(', ')}) and offset ${offset} ` +
        `in a storage of ${tensor.storage.count} elements`,
    );
  }
  return tensor;
}

/** How far from its offset a tensor's last element is. */
function lastOf({ shape, strides }: StoredTensor): number {
  return shape.reduce((sum, size, axis) => sum + (size - 1) * strides[axis], 0);
}

function isContiguous({ shape, strides }: StoredTensor): boolean {
  if (elementCount(shape) === 0) return true;
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== expected) return false;
    expected *= shape[axis];
  }
  return true;
}

/** The elements of a view, row by row, from values that begin at its offset. */
function strided(values: Float32Array, { shape, strides }: StoredTensor): Float32Array<ArrayBuffer> {
  const result = new Float32Array(elementCount(shape));
  const index = shape.map(() => 0);
  let from = 0;
  for (let i = 0; i < result.length; i++) {
    result[i] = values[from];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis];
      if (++index[axis] < shape[axis]) break;
      from -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return result;
}
