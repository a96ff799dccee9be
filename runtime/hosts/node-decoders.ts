import { readFile } from 'node:fs/promises';
import type { Decoders } from '../preprocess/decode.ts';
import { jsquashDecoders } from '../preprocess/jsquash-decoders.ts';

/** The codecs, as the build lays them beside the kernels. */
export const CODEC_FILES = { jpeg: 'codec-jpeg.wasm', png: 'codec-png.wasm', webp: 'codec-webp.wasm' } as const;

/**
 * The serving decoders on a host with files: WebAssembly from a folder, compiled when the first picture of a format
 * comes.
 */
export function nodeDecoders(folder: URL): Decoders {
  const compile = async (file: string): Promise<WebAssembly.Module> =>
    WebAssembly.compile(await readFile(new URL(file, folder)));
  return jsquashDecoders({
    jpeg: () => compile(CODEC_FILES.jpeg),
    png: () => compile(CODEC_FILES.png),
    webp: () => compile(CODEC_FILES.webp),
  });
}
