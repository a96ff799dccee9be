/** jSquash's PNG codec (the png crate), without its JavaScript, which can't be started a second time. */
import type { DecodedPixels } from './decode.ts';

interface PngExports {
  readonly memory: WebAssembly.Memory;
  __wbindgen_malloc(bytes: number, alignment: number): number;
  __wbindgen_free(at: number, bytes: number, alignment: number): void;
  /** Takes the bytes over, and hands the pixels to an import. */
  decode(at: number, bytes: number): number;
}

/**
 * Starts an instance. What it returns decodes a file, and throws where it is broken; the instance is then of no more
 * use.
 */
export async function startPng(module: WebAssembly.Module): Promise<(file: ArrayBuffer) => DecodedPixels> {
  let decoded: DecodedPixels | undefined;
  const { memory, ...codec } = (
    await WebAssembly.instantiate(module, {
      wbg: importsOf(module, {
        __wbindgen_throw(at, bytes) {
          throw new Error(new TextDecoder().decode(new Uint8Array(memory.buffer, at, bytes)));
        },
        // new ImageData(pixels, width, height)
        __wbg_newwithownedu8clampedarrayandsh(at, bytes, width, height) {
          decoded = { width, height, channels: 4, data: new Uint8Array(memory.buffer, at, bytes).slice() };
          codec.__wbindgen_free(at, bytes, 1);
          return 0;
        },
      }),
    })
  ).exports as unknown as PngExports;
  return (file) => {
    decoded = undefined;
    const at = codec.__wbindgen_malloc(file.byteLength, 1) >>> 0;
    new Uint8Array(memory.buffer).set(new Uint8Array(file), at);
    codec.decode(at, file.byteLength);
    return decoded!;
  };
}

type Import = (at: number, bytes: number, width: number, height: number) => number | void;

/**
 * The module's imports: wasm-bindgen adds a hash to their names. Those that are not named here are for 16 bits a
 * channel.
 */
function importsOf(module: WebAssembly.Module, known: Readonly<Record<string, Import>>): WebAssembly.ModuleImports {
  const unused: Import = () => {
    throw new Error('not used');
  };
  return Object.fromEntries(
    WebAssembly.Module.imports(module).map(({ name }) => [name, known[name.replace(/_[0-9a-f]{16}$/, '')] ?? unused]),
  );
}
