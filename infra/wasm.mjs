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

/** Fast code, checks left out: what runs it has checked every plan before. */
const CODE = ['-O3', '--noAssert', '--runtime', 'stub', '--use', 'abort=', '--enable', 'simd'];

/** The names of the kernels' builds in dist/. */
export const KERNEL_FILES = Object.keys(KERNELS);
/** The names of the codecs in dist/. */
export const CODEC_FILES = Object.keys(CODECS);

/** Copies the codecs from their packages. */
export function copyCodecs() {
  for (const [name, file] of Object.entries(CODECS)) copyFileSync(`node_modules/@jsquash/${file}`, `dist/${name}`);
}

/** Compiles the kernels. Their constants lie from address 16 on. */
export async function buildKernels() {
  for (const [name, features] of Object.entries(KERNELS)) {
    const memory = ['--memoryBase', '16', '--importMemory', '--noExportMemory'];
    const { error, stderr } = await asc.main([
      'runtime/kernels/assembly/index.ts',
      '--outFile',
      `dist/${name}`,
      ...CODE,
      ...memory,
      ...features,
    ]);
    if (error) {
      process.stderr.write(stderr.toString());
      throw error;
    }
  }
}
