/**
 * A stand-in for tfjs-node where `slim setup tensorflow` puts it: it multiplies matrices in JavaScript, once it has read
 * its "binding". What the real one computes, contract/tensorflow.test.ts sees.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BINDING, type TensorflowVariant, TFJS_NODE } from '../../cli/engines/tfjs/tensorflow.ts';

/** What the stand-in takes for a binding that loads. */
export const SOUND_BINDING = 'compiled\n';

/** How a stand-in behaves. */
export interface StandIn {
  readonly version?: string;
  readonly usesGpu?: boolean;
  /** JavaScript that runs when it is loaded. */
  readonly onLoad?: string;
}

/** The files of the package, by their paths in it; without the binding, which is compiled. */
export function standInFiles(
  variant: TensorflowVariant,
  { version = '4.22.0', usesGpu = false, onLoad = '' }: StandIn = {},
): Record<string, string> {
  return {
    'package.json': JSON.stringify({ name: TFJS_NODE[variant], version, main: 'index.js' }),
    'binding/tfjs_backend.cc': '',
    'binding/tfjs_binding.cc': '',
    'index.js': `
      const binding = require('node:fs').readFileSync(__dirname + '/${BINDING}', 'utf8');
      if (binding !== ${JSON.stringify(SOUND_BINDING)}) throw new Error(__dirname + '/${BINDING}: invalid ELF header\\nand more');
      ${onLoad}
      const product = (a, b) => a.map((row) => b[0].map((_, j) => row.reduce((sum, x, k) => sum + x * b[k][j], 0)));
      const rows = (data, [n, m]) => Array.from({ length: n }, (_, i) => data.slice(i * m, (i + 1) * m));
      module.exports = {
        ready: async () => {},
        version: { tfjs: '4.22.0' },
        backend: () => ({ binding: { TF_Version: '2.21.0' }, isUsingGpuDevice: ${usesGpu} }),
        tensor2d: rows,
        matMul: (a, b) => ({ data: async () => product(a, b).flat() }),
      };`,
  };
}

/** Lays a stand-in out in a folder that has node_modules. */
export function layOutStandIn(
  root: string,
  variant: TensorflowVariant,
  { binding = SOUND_BINDING, ...standIn }: StandIn & { readonly binding?: string | null } = {},
): string {
  const folder = join(root, 'node_modules', TFJS_NODE[variant]);
  const files = { ...standInFiles(variant, standIn), ...(binding === null ? {} : { [BINDING]: binding }) };
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}
