// The WebAssembly in dist/: kernels (AssemblyScript) and codecs of pictures (jSquash), for servers to be copied with
// their code.
import { copyFileSync } from 'node:fs';
import asc from 'assemblyscript/asc';

// With SIMD128, which every host runs, and with relaxed SIMD, which adds up products in one of two ways.
const RELAXED = ['--enable', 'relaxed-simd'];
const KERNELS = {
  'kernels.wasm': [],
  'kernels-relaxed.wasm': RELAXED,
  'kernels-relaxed-pairs.wasm': [...RELAXED, '--use', 'ADD_IN_PAIRS=memory'],
};
const CODECS = {
  'codec-jpeg.wasm': 'jpeg/codec/dec/mozjpeg_dec.wasm',
  'codec-png.wasm': 'png/codec/pkg/squoosh_png_bg.wasm',
  'codec-webp.wasm': 'webp/codec/dec/webp_dec.wasm',
};

/** The builds of the kernels, as they are called in dist/. */
export const KERNEL_FILES = Object.keys(KERNELS);
/** The codecs, as they are called in dist/. */
export const CODEC_FILES = Object.keys(CODECS);

/** Copies the codecs into dist/, which has to be there. */
export function copyCodecs() {
  for (const [name, file] of Object.entries(CODECS)) copyFileSync(`node_modules/@jsquash/${file}`, `dist/${name}`);
}

/** Compiles the kernels. Their constants lie from address 16 on. */
export async function buildKernels() {
  for (const [name, features] of Object.entries(KERNELS)) {
    const { error, stderr } = await asc.main([
      'runtime/kernels/assembly/index.ts',
      '--outFile',
      `dist/${name}`,
      '-O3',
      '--noAssert',
      '--runtime',
      'stub',
      '--use',
      'abort=',
      '--memoryBase',
      '16',
      '--enable',
      'simd',
      ...features,
      '--importMemory',
      '--noExportMemory',
    ]);
    if (error) {
      process.stderr.write(stderr.toString());
      throw error;
    }
  }
}
