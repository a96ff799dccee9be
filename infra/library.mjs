// What the npm package exports to those who embed the runtime: dist/lib/, a module an entry of infra/package/, and
// dist/types/, the declarations of all that they show.
import { rmSync } from 'node:fs';
import { build } from 'esbuild';
import ts from 'typescript';

/** Two entries are modules of their own (edge-bundle.mjs), for hosts that take just one. */
const ENTRIES = ['app', 'artifact', 'decoders', 'node'];
const EDGE_ENTRIES = ['edge', 'edge-text'];

/** Writes dist/lib and dist/types. Throws where a declaration can't be made. */
export async function buildLibrary() {
  for (const folder of ['dist/lib', 'dist/types']) rmSync(folder, { recursive: true, force: true });
  await build({
    entryPoints: ENTRIES.map((name) => `infra/package/${name}.ts`),
    outdir: 'dist/lib',
    outExtension: { '.js': '.mjs' },
    bundle: true,
    // What entries share is there once: an ArtifactError is an ArtifactError, whichever entry it came from.
    splitting: true,
    platform: 'neutral',
    format: 'esm',
    target: 'es2022',
    mainFields: ['module', 'main'],
    // One instance of Hono for the app and for the program that mounts it.
    external: ['node:*', 'hono', 'hono/*', '@hono/node-server'],
    charset: 'utf8',
    logLevel: 'warning',
  });
  writeDeclarations([...ENTRIES, ...EDGE_ENTRIES].map((name) => `infra/package/${name}.ts`));
}

/** Declarations of the entries and of what they reach. Their imports end in .js, as every resolution takes them. */
function writeDeclarations(entries) {
  const { options } = ts.parseJsonConfigFileContent(
    ts.readConfigFile('tsconfig.json', ts.sys.readFile).config,
    ts.sys,
    '.',
  );
  const program = ts.createProgram(entries, {
    ...options,
    noEmit: false,
    declaration: true,
    emitDeclarationOnly: true,
    outDir: 'dist/types',
    rootDir: '.',
  });
  const write = (path, text) =>
    ts.sys.writeFile(path, text.replace(/(from |import\()(['"])(\.[^'"]*)\.ts\2/g, '$1$2$3.js$2'));
  const { diagnostics } = program.emit(undefined, write);
  const problems = [...ts.getPreEmitDiagnostics(program), ...diagnostics];
  if (problems.length > 0) {
    const host = { getCanonicalFileName: (name) => name, getCurrentDirectory: () => '.', getNewLine: () => '\n' };
    throw new Error(ts.formatDiagnostics(problems, host));
  }
}
