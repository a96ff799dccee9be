// Bundles the web API for hosts that run one module with a `fetch` handler: small, and nothing but the standard web APIs.
import { build } from 'esbuild';

/** Parts of Hono that its core links to but the app never calls: mounting apps, chains of middleware, parsing forms, writing HTML. A tenth of the bundle. */
const LEFT_OUT = {
  mount: ['createMountedRequest'],
  compose: ['compose'],
  body: ['parseBody'],
  html: ['resolveCallback', 'HtmlEscapedCallbackPhase'],
};

const leaveOut = {
  name: 'leave-out',
  setup(build) {
    build.onLoad({ filter: /\/hono\/dist\/(compose|utils\/(mount|body|html))\.js$/ }, ({ path }) => {
      const file = path.match(/(\w+)\.js$/)[1];
      const message = JSON.stringify(`hono's ${file} is left out of the edge bundle`);
      // A name that Hono adds is missing here, so that the build fails rather than the bundle.
      return { contents: LEFT_OUT[file].map((name) => `export function ${name}() { throw new Error(${message}); }`).join('\n') };
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
