/**
 * WebAssembly codecs (mozjpeg, the png crate, libwebp), as packaged by jSquash. The host hands over the compiled
 * modules, as hosts differ in where WebAssembly may come from: files in Node, imported modules in workerd.
 */
import decodeJpeg, { init as initJpeg } from '@jsquash/jpeg/decode.js';
import decodeWebp, { init as initWebp } from '@jsquash/webp/decode.js';
import { type DecodedPixels, type Decoder, DecoderAbsent, type Decoders } from './decode.ts';
import type { PictureFormat } from './header.ts';
import { startPng } from './png-codec.ts';

/** How the host gets each codec's module; called when the first picture of the format comes. */
export type CodecModules = Readonly<Record<PictureFormat, () => Promise<WebAssembly.Module>>>;

/** Libjpeg's remarks on odd but readable files: they would fill a server's log. */
const quiet = { printErr: (): void => undefined };

/**
 * Decoders for `decodePicture`. jSquash keeps one instance a process, so calling this again changes nothing for JPEG
 * and WebP.
 */
export function jsquashDecoders(modules: CodecModules): Decoders {
  return {
    jpeg: renewedDecoder(modules.jpeg, async (module) => {
      await (initJpeg as InitEmscripten)(module, quiet);
      return (bytes) => decodeJpeg(bytes, { preserveOrientation: false });
    }),
    png: renewedDecoder(modules.png, startPng),
    webp: renewedDecoder(modules.webp, async (module) => {
      await (initWebp as InitEmscripten)(module, quiet);
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

type StartedCodec = (bytes: ArrayBuffer) => Rgba | Promise<Rgba>;

/**
 * Starts the codec at the first picture, and anew after each that it could not decode: what it throws leaves its stack
 * and its memory as they were, and after some hundreds of broken pictures it would take every good one for broken.
 */
function renewedDecoder(
  moduleOf: () => Promise<WebAssembly.Module>,
  start: (module: WebAssembly.Module) => Promise<StartedCodec>,
): Decoder {
  let module: Promise<WebAssembly.Module> | undefined;
  let codec: Promise<StartedCodec> | undefined;
  const load = async (): Promise<StartedCodec> => start(await (module ??= moduleOf()));
  return async (bytes): Promise<DecodedPixels> => {
    const decode = await (codec ??= load()).catch((error: unknown) => {
      module = codec = undefined;
      throw new DecoderAbsent(`a codec did not start: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      });
    });
    try {
      const { width, height, data } = await decode(exactBuffer(bytes));
      return { width, height, channels: 4, data: data as Uint8ClampedArray };
    } catch (error) {
      codec = undefined;
      throw error;
    }
  };
}

/** The bytes alone in a buffer: the codecs read a buffer from its beginning to its end. */
function exactBuffer(bytes: Uint8Array): ArrayBuffer {
  const { buffer, byteLength } = bytes;
  return buffer instanceof ArrayBuffer && byteLength === buffer.byteLength ? buffer : new Uint8Array(bytes).buffer;
}
