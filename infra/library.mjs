// What the npm package exports to those who embed the runtime: dist/lib/, a module an entry of infra/package/, and
// dist/types/, the declarations of all that they show.
import { readdirSync, rmSync } from 'node:fs';
import { basename } from 'node:path';
import { build } from 'esbuild';
import ts from 'typescript';
import { EDGE_ENTRIES } from './edge-bundle.mjs';

/** Every file of the folder is an entry. */
const ENTRIES = readdirSync('infra/package')
  .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))
  .map((name) => `infra/package/${name}`);

/** Writes dist/lib and dist/types. Throws where a declaration can't be made. */
export async function buildLibrary() {
  for (const folder of ['dist/lib', 'dist/types']) rmSync(folder, { recursive: true, force: true });
  await build({
    entryPoints: ENTRIES.filter((path) => !EDGE_ENTRIES.includes(basename(path, '.ts'))),
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
  writeDeclarations(ENTRIES);
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
