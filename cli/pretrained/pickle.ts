/**
 * A reader of Python's pickles that runs no code. A pickle is a program: it may name any function of any module and
 * have it called. Here the names are looked up in a table of the caller's, and what is not in it is refused by its
 * name; a function of the table is one of ours. The opcodes of protocol 2, which torch.save writes (Python's
 * Lib/pickletools.py describes them).
 */

/** A tuple or a list, a dict, what the table's functions make, and plain values. */
export type Pickled = null | boolean | number | string | Pickled[] | Map<Pickled, Pickled> | Global | Made;

/** What a function of the table made. */
export interface Made {
  readonly kind: string;
}

/** A name of the table. `call` makes its value from the arguments; without one it may be named, not called. */
export interface Global {
  readonly name: string;
  readonly call?: (args: readonly Pickled[]) => Pickled;
}

/** All that a pickle may name. */
export interface PickleTable {
  /** By `module.name`. */
  readonly globals: ReadonlyMap<string, Global>;
  /** What an object outside the pickle stands for, told by its id. */
  readonly persistent: (id: Pickled) => Pickled;
}

/** What is wrong with a pickle, in words. */
export class PickleError extends Error {
  override readonly name = 'PickleError';
}

/** Far more than the tensors of any model need. */
const MAX_VALUES = 1 << 19;

const MARK = Symbol('mark');

/** Reads a pickle. Throws PickleError. */
export function unpickle(bytes: Uint8Array, table: PickleTable): Pickled {
  return unpickleOne(bytes, table).value;
}

/** Reads the pickle that bytes begin with, and tells where it ends. Throws PickleError. */
export function unpickleOne(
  bytes: Uint8Array,
  { globals, persistent }: PickleTable,
): { readonly value: Pickled; readonly end: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const memo = new Map<number, Pickled>();
  const stack: (Pickled | typeof MARK)[] = [];
  let at = 0;
  let made = 0;

  /** The place of the next `length` bytes, which are then read. */
  function take(length: number): number {
    if (at + length > bytes.length) throw new PickleError('it is cut short');
    at += length;
    return at - length;
  }
  const byte = (): number => bytes[take(1)];
  const uint32 = (): number => view.getUint32(take(4), true);
  function text(length: number): string {
    const start = take(length);
    try {
      return decoder.decode(bytes.subarray(start, start + length));
    } catch {
      throw new PickleError('a text is no UTF-8');
    }
  }
  function line(): string {
    const end = bytes.indexOf(0x0a, at);
    if (end < 0) throw new PickleError('it is cut short');
    const read = text(end - at);
    take(1);
    return read;
  }
  function integer(length: number): number {
    if (length > 8) throw new PickleError(`an integer of ${length} bytes`);
    const start = take(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[start + i]);
    const number = Number(BigInt.asIntN(8 * length, value));
    if (!Number.isSafeInteger(number)) throw new PickleError('an integer beyond 2^53');
    return number;
  }

  function push(value: Pickled | typeof MARK): void {
    if (++made > MAX_VALUES) throw new PickleError(`more than ${MAX_VALUES} values`);
    stack.push(value);
  }
  function pop(): Pickled {
    const value = stack.pop();
    if (value === undefined || value === MARK) throw new PickleError('it takes a value that is not there');
    return value;
  }
  const popped = (count: number): Pickled[] => Array.from({ length: count }, pop).reverse();
  function popToMark(): Pickled[] {
    const mark = stack.lastIndexOf(MARK);
    if (mark < 0) throw new PickleError('it takes values that are not there');
    const values = stack.splice(mark);
    return values.slice(1) as Pickled[];
  }
  function top(): Pickled {
    const value = pop();
    stack.push(value);
    return value;
  }
  function recall(key: number): Pickled {
    const value = memo.get(key);
    if (value === undefined) throw new PickleError(`it recalls value ${key}, which is not there`);
    return value;
  }
  function addItems(items: readonly Pickled[]): void {
    const target = top();
    if (!(target instanceof Map) || items.length % 2 !== 0) throw new PickleError('it sets items of what is no dict');
    for (let i = 0; i < items.length; i += 2) target.set(items[i], items[i + 1]);
  }
  function append(values: readonly Pickled[]): void {
    const target = top();
    if (!Array.isArray(target)) throw new PickleError('it appends to what is no list');
    for (const value of values) target.push(value);
  }
  function global(module: string, name: string): Global {
    const found = globals.get(`${module}.${name}`);
    if (!found)
      throw new PickleError(
        `it names ${JSON.stringify(`${module}.${name}`)}, which no tensor needs: loading it could run code`,
      );
    return found;
  }
  function call(): Pickled {
    const [callee, args] = popped(2);
    if (!isGlobal(callee) || !callee.call || !Array.isArray(args))
      throw new PickleError('it calls what is no function');
    return callee.call(args);
  }

  for (;;) {
    const opcode = byte();
    switch (opcode) {
      case 0x80: {
        const protocol = byte();
        if (protocol !== 2) throw new PickleError(`expected protocol 2, got ${protocol}`);
        break; // PROTO
      }
      case 0x2e: {
        const result = pop();
        if (stack.length > 0) throw new PickleError('values are left over');
        return { value: result, end: at }; // STOP
      }
      case 0x28:
        push(MARK);
        break;
      case 0x30:
        pop();
        break;
      case 0x4e:
        push(null);
        break; // NONE
      case 0x88:
        push(true);
        break;
      case 0x89:
        push(false);
        break;
      case 0x4b:
        push(byte());
        break; // BININT1
      case 0x4d:
        push(view.getUint16(take(2), true));
        break; // BININT2
      case 0x4a:
        push(view.getInt32(take(4), true));
        break; // BININT
      case 0x8a:
        push(integer(byte()));
        break; // LONG1
      case 0x47:
        push(view.getFloat64(take(8)));
        break; // BINFLOAT, big-endian
      case 0x58:
        push(text(uint32()));
        break; // BINUNICODE
      case 0x55:
        push(text(byte()));
        break; // SHORT_BINSTRING, of Python 2
      case 0x54:
        push(text(uint32()));
        break; // BINSTRING
      case 0x7d:
        push(new Map());
        break; // EMPTY_DICT
      case 0x5d:
        push([]);
        break; // EMPTY_LIST
      case 0x29:
        push([]);
        break; // EMPTY_TUPLE
      case 0x85:
        push(popped(1));
        break; // TUPLE1
      case 0x86:
        push(popped(2));
        break;
      case 0x87:
        push(popped(3));
        break;
      case 0x74:
        push(popToMark());
        break; // TUPLE
      case 0x61:
        append(popped(1));
        break; // APPEND
      case 0x65:
        append(popToMark());
        break; // APPENDS
      case 0x73:
        addItems(popped(2));
        break; // SETITEM
      case 0x75:
        addItems(popToMark());
        break; // SETITEMS
      case 0x71:
        memo.set(byte(), top());
        break; // BINPUT
      case 0x72:
        memo.set(uint32(), top());
        break; // LONG_BINPUT
      case 0x68:
        push(recall(byte()));
        break; // BINGET
      case 0x6a:
        push(recall(uint32()));
        break; // LONG_BINGET
      case 0x63:
        push(global(line(), line()));
        break; // GLOBAL
      case 0x51:
        push(persistent(pop()));
        break; // BINPERSID
      case 0x52:
        push(call());
        break; // REDUCE
      // BUILD: attributes of an object, such as the versions of its modules in a state dict. Only a dict has any here,
      // and nobody asks for them.
      case 0x62:
        pop();
        if (!(top() instanceof Map)) throw new PickleError('it sets attributes of what is no dict');
        break;
      default:
        throw new PickleError(`opcode 0x${opcode.toString(16).padStart(2, '0')}, which no tensor needs`);
    }
  }
}

function isGlobal(value: Pickled): value is Global {
  return typeof value === 'object' && value !== null && 'name' in value;
}
