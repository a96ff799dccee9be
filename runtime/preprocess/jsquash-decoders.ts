/**
 * WebAssembly codecs (mozjpeg, the png crate, libwebp), as packaged by jSquash. The host hands over the compiled modules, as hosts
 * differ in where WebAssembly may come from: files in Node, imported modules in workerd.
 */
import decodeJpeg, { init as initJpeg } from '@jsquash/jpeg/decode.js';
import decodePng, { init as initPng } from '@jsquash/png/decode.js';
import decodeWebp, { init as initWebp } from '@jsquash/webp/decode.js';
import { DecoderAbsent, type DecodedPixels, type Decoder, type Decoders } from './decode.ts';
import type { PictureFormat } from './header.ts';

/** How the host gets each codec's module; called when the first picture of the format comes. */
export type CodecModules = Readonly<Record<PictureFormat, () => Promise<WebAssembly.Module>>>;

/** Libjpeg's remarks on odd but readable files: they would fill a server's log. */
const quiet = { printErr: (): void => undefined };

/** Decoders for `decodePicture`. jSquash keeps one instance a process, so calling this again changes nothing. */
export function jsquashDecoders(modules: CodecModules): Decoders {
  return {
    jpeg: lazyDecoder(async () => {
      await (initJpeg as InitEmscripten)(await modules.jpeg(), quiet);
      return (bytes) => decodeJpeg(bytes, { preserveOrientation: false });
    }),
    png: lazyDecoder(async () => {
      await initPng(await modules.png());
      return (bytes) => decodePng(bytes);
    }),
    webp: lazyDecoder(async () => {
      await (initWebp as InitEmscripten)(await modules.webp(), quiet);
      return (bytes) => decodeWebp(bytes);
    }),
  };
}

/** jSquash's own type leaves out the module. */
type InitEmscripten = (module: WebAssembly.Module, options: typeof quiet) => Promise<void>;

/** ImageData without the DOM: RGBA. */
interface Rgba {
  readonly width: number;
  readonly height: number;
  readonly data: ArrayLike<number>;
}

/** Starts the codec once, at the first picture; where that fails, the next picture tries again. */
function lazyDecoder(start: () => Promise<(bytes: ArrayBuffer) => Promise<Rgba>>): Decoder {
  let starting: Promise<(bytes: ArrayBuffer) => Promise<Rgba>> | undefined;
  return async (bytes): Promise<DecodedPixels> => {
    starting ??= start().catch((error: unknown) => {
      starting = undefined;
      throw new DecoderAbsent(`a codec did not start: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    });
    const { width, height, data } = await (await starting)(exactBuffer(bytes));
    return { width, height, channels: 4, data: data as Uint8ClampedArray };
  };
}

/** The bytes alone in a buffer: the codecs read a buffer from its beginning to its end. */
function exactBuffer(bytes: Uint8Array): ArrayBuffer {
  const { buffer, byteLength } = bytes;
  return buffer instanceof ArrayBuffer && byteLength === buffer.byteLength ? buffer : new Uint8Array(bytes).buffer;
}
