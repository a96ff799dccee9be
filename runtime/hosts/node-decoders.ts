import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { Decoders } from '../preprocess/decode.ts';
import { jsquashDecoders } from '../preprocess/jsquash-decoders.ts';

/** The serving decoders in Node: WebAssembly from the installed packages, compiled when the first picture of a format comes. */
export function nodeDecoders(): Decoders {
  return jsquashDecoders({
    jpeg: () => compile('@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm'),
    png: () => compile('@jsquash/png/codec/pkg/squoosh_png_bg.wasm'),
    webp: () => compile('@jsquash/webp/codec/dec/webp_dec.wasm'),
  });
}

const { resolve } = createRequire(import.meta.url);

async function compile(file: string): Promise<WebAssembly.Module> {
  return WebAssembly.compile(await readFile(resolve(file)));
}
