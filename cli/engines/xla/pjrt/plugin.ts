/**
 * A PJRT plugin: a shared library that exports `GetPjrtApi`, a table of functions that each take one struct and return
 * an error or null (openxla/xla, xla/pjrt/c/pjrt_c_api.h).
 */
import { existsSync, statSync } from 'node:fs';
import koffi from 'koffi';
import { messageOf, UserError } from '../../../io/errors.ts';
import { endAtOnce } from '../../end-at-once.ts';
import { EngineError } from '../../engine.ts';
import {
  API_MAJOR,
  type Args,
  ERROR_CODES,
  type ErrorCode,
  FUNCTIONS,
  type FunctionName,
  NAMED_VALUE,
  NamedValueType,
  OLDEST_MINOR,
  TABLE,
} from './api.ts';
import { readBytes, readStructs, readText, Struct, type Value } from './struct.ts';

/** What a plugin refused or could not do: PJRT's code and message. */
export class PjrtError extends EngineError {
  readonly code: ErrorCode;

  constructor(doing: string, code: ErrorCode, message: string) {
    super(`xla: ${doing}: ${code}: ${message}`);
    this.code = code;
  }
}

/** Of the PJRT C API. */
export interface ApiVersion {
  readonly major: number;
  readonly minor: number;
}

type Given<F extends FunctionName> = { readonly [K in keyof Args<F>]?: Value };

/** A plugin that was loaded: its functions, whose errors are thrown as PjrtError. */
export interface Plugin {
  readonly path: string;
  /** Tells the file from another one at the same place: its size and when it was written. */
  readonly stamp: string;
  readonly version: ApiVersion;
  /** Facts such as `xla_version`, `stablehlo_current_version`; texts and numbers. */
  readonly attributes: Readonly<Record<string, string>>;
  /** Calls on this thread: for what returns at once. Returns the struct, in which the plugin has written its results. */
  call<F extends FunctionName>(name: F, args: Given<F>): Struct<Args<F>>;
  /** Calls on a thread of Node's pool: for what computes or waits. */
  callAsync<F extends FunctionName>(name: F, args: Given<F>): Promise<Struct<Args<F>>>;
  /** Calls a `void (*)(void*)` that a struct gave, to free what another field of it points to. */
  callDeleter(deleter: bigint, argument: bigint): void;
}

/** XLA compiles recursively: koffi's own 128 KiB overflow on a ViT of 12 blocks. 16 MiB is the most that koffi takes. */
const STACK_BYTES = 16 * 2 ** 20;

/** dlfcn.h (Linux): resolve all symbols now; never unload. */
const RTLD_NOW = 2;
const RTLD_NODELETE = 0x1000;

type NativeCall = ((args: Buffer) => bigint | null) & {
  readonly async: (args: Buffer, done: (error: Error | null, result: bigint | null) => void) => void;
};

let configured = false;

/** koffi takes its settings before it loads a first library only. */
function configureOnce(): void {
  if (configured) return;
  configured = true;
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2'; // XLA writes to stderr by itself: errors may, notes not.
  koffi.config({ sync_stack_size: STACK_BYTES, async_stack_size: STACK_BYTES });
}

/**
 * Loads a plugin and starts it.
 * UserError where the file is missing, no shared library, no PJRT plugin, or one whose interface Slim doesn't speak.
 */
export function loadPlugin(path: string): Plugin {
  const table = pluginTable(path);
  const version = checkedVersion(path, {
    major: koffi.decode(table, TABLE.major, 'int'),
    minor: koffi.decode(table, TABLE.minor, 'int'),
  });
  const slots = (Number(koffi.decode(table, TABLE.size, 'uint64_t')) - TABLE.functions) / 8;
  const prototype = koffi.proto('void *', ['void *']);
  const functions = new Map<FunctionName, NativeCall>();
  const native = (name: FunctionName): NativeCall => {
    const known = functions.get(name);
    if (known) return known;
    const { slot } = FUNCTIONS[name];
    const address = slot < slots ? (koffi.decode(table, TABLE.functions + 8 * slot, 'void *') as bigint | null) : null;
    if (!address) throw new PjrtError(name, 'UNIMPLEMENTED', `the plugin ${path} has no such function`);
    const found = koffi.decode(address, prototype) as NativeCall;
    functions.set(name, found);
    return found;
  };

  const errorOf = (doing: string, error: bigint): PjrtError => {
    const message = new Struct(FUNCTIONS.PJRT_Error_Message.args, { error });
    native('PJRT_Error_Message')(message.bytes);
    const code = new Struct(FUNCTIONS.PJRT_Error_GetCode.args, { error });
    native('PJRT_Error_GetCode')(code.bytes);
    const text = readText(message.pointer('message'), message.number('message_size'));
    native('PJRT_Error_Destroy')(new Struct(FUNCTIONS.PJRT_Error_Destroy.args, { error }).bytes);
    return new PjrtError(doing, ERROR_CODES[code.number('code')] ?? 'UNKNOWN', text);
  };

  const call: Plugin['call'] = (name, args) => {
    const struct = structOf(name, args);
    const error = native(name)(struct.bytes);
    if (error) throw errorOf(name, error);
    return struct;
  };
  const callAsync: Plugin['callAsync'] = async (name, args) => {
    const struct = structOf(name, args); // lives until the call is over, and with it what it points to
    const work = native(name);
    const error = await underway(
      () =>
        new Promise<bigint | null>((resolve, reject) =>
          work.async(struct.bytes, (failure, result) => (failure ? reject(failure) : resolve(result))),
        ),
    );
    if (error) throw errorOf(name, error);
    return struct;
  };

  call('PJRT_Plugin_Initialize', {});
  const freeing = koffi.proto('void', ['void *']);
  const { size, mtimeMs } = statSync(path);
  const attributes = call('PJRT_Plugin_Attributes', {});
  return {
    path,
    stamp: `${size} ${mtimeMs}`,
    version,
    attributes: readAttributes(attributes.pointer('attributes'), attributes.number('num_attributes')),
    call,
    callAsync,
    callDeleter: (deleter, argument) => void koffi.call(deleter, freeing, argument),
  };
}

function structOf<F extends FunctionName>(name: F, args: Given<F>): Struct<Args<F>> {
  return new Struct(FUNCTIONS[name].args as Args<F>, args);
}

/** The address of the table that the library exports. */
function pluginTable(path: string): bigint {
  if (!existsSync(path))
    throw new UserError(
      `the PJRT plugin ${path} is not there`,
      'SLIM_PJRT_PLUGIN names a file that exports GetPjrtApi.',
    );
  configureOnce();
  let table: bigint | null;
  try {
    // koffi unloads a library whose object is collected, and at exit, while threads of XLA still run in it.
    koffi.load(null).func('void *dlopen(const char *, int)')(path, RTLD_NOW | RTLD_NODELETE);
    table = koffi.load(path).func('void *GetPjrtApi()')() as bigint | null;
  } catch (error) {
    throw new UserError(
      `${path} is no PJRT plugin: ${messageOf(error)}`,
      'A plugin is a shared library for this system that exports GetPjrtApi: slim setup brings one.',
    );
  }
  if (!table) throw new UserError(`${path} gives no PJRT API`, 'Bring the plugin again: slim setup.');
  return table;
}

/** UserError where the plugin's interface is another one than ours, or too old. */
export function checkedVersion(path: string, version: ApiVersion): ApiVersion {
  const { major, minor } = version;
  if (major !== API_MAJOR || minor < OLDEST_MINOR)
    throw new UserError(
      `the plugin ${path} speaks version ${major}.${minor} of the PJRT C API; ` +
        `slim speaks ${API_MAJOR}.${OLDEST_MINOR} and later of ${API_MAJOR}`,
      'Bring one that fits: slim setup, or another SLIM_PJRT_PLUGIN.',
    );
  return version;
}

/** An array of PJRT_NamedValue, as texts. */
export function readAttributes(address: bigint, count: number): Record<string, string> {
  return Object.fromEntries(
    readStructs(NAMED_VALUE, address, count).map((value) => [
      readText(value.pointer('name'), value.number('name_size')),
      attributeText(value),
    ]),
  );
}

function attributeText(named: Struct<typeof NAMED_VALUE>): string {
  const [value, size] = [named.pointer('value'), named.number('value_size')];
  switch (named.number('type')) {
    case NamedValueType.string:
      return readText(value, size);
    case NamedValueType.int64List:
      return [...new BigInt64Array(readBytes(value, 8 * size).buffer)].join('.');
    default:
      return String(value);
  }
}

let callsUnderway = 0;

/**
 * Counts calls on other threads. A process that ends joins the threads of Node's pool first: 75 seconds, where one
 * compiles. With a call under way it ends without that.
 */
async function underway<T>(call: () => Promise<T>): Promise<T> {
  if (callsUnderway === 0) process.on('exit', endAtOnce);
  callsUnderway++;
  try {
    return await call();
  } finally {
    callsUnderway--;
    if (callsUnderway === 0) process.off('exit', endAtOnce);
  }
}
