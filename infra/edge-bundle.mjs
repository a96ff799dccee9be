// Bundles the web API for hosts that run one module with a `fetch` handler: small, and nothing but the standard web
// APIs.
import { build } from 'esbuild';

/** The entries of infra/package/ that are modules of their own: what an edge host loads, imports nothing. */
export const EDGE_ENTRIES = ['edge', 'edge-text', 'edge-unigram'];

/**
 * Bundles an entry into one minified module; `options` are more of esbuild's. Returns its result, with the metafile.
 */
export function buildEdge(entry, outfile, options = {}) {
  return build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    minify: true,
    metafile: true,
    platform: 'neutral',
    format: 'esm',
    target: 'es2022',
    charset: 'utf8',
    legalComments: 'none',
    logLevel: 'warning',
    ...options,
  });
}
