// Bundles the web API for hosts that run one module with a `fetch` handler: small, and nothing but the standard web APIs.
import { build } from 'esbuild';

/**
 * Functions that Hono's core links to but the app never calls: mounting apps, chains of middleware, parsing forms, writing HTML, decoding paths
 * and queries (the platform's URL does). A sixth of the bundle.
 */
const LEFT_OUT = {
  'compose': ['compose'],
  'utils/mount': ['createMountedRequest'],
  'utils/body': ['parseBody'],
  'utils/html': ['resolveCallback', 'HtmlEscapedCallbackPhase'],
  'utils/url': ['getPath', 'getPathNoStrict', 'getQueryParam', 'getQueryParams', 'tryDecodeURIComponent'],
  'helper/route/index': ['routePath'],
};

const leaveOut = {
  name: 'leave-out',
  setup(build) {
    build.onResolve({ filter: /^left-out$/ }, () => ({ path: 'node_modules/hono/left-out', namespace: 'left-out' }));
    build.onLoad({ filter: /.*/, namespace: 'left-out' }, () => ({
      contents: 'export function leftOut() { throw new Error("left out"); }',
    }));
    build.onLoad({ filter: /\/hono\/dist\/.*\.js$/ }, ({ path, suffix }) => {
      const names = LEFT_OUT[path.match(/\/hono\/dist\/(.*)\.js$/)[1]];
      if (names === undefined || suffix === '?whole') return undefined;
      // An export by name goes before one by star: what Hono adds to the file stays.
      const stubs = names.map((name) => `leftOut as ${name}`).join(', ');
      return { contents: `export * from ${JSON.stringify(`${path}?whole`)}; export { ${stubs} } from 'left-out';` };
    });
  },
};

/** Bundles an entry into one minified module. Returns esbuild's result, with the metafile. */
export function buildEdge(entry, outfile) {
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
    plugins: [leaveOut],
    logLevel: 'warning',
  });
}
