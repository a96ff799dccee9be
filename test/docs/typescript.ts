/** Programs of the documentation, through the compiler: they may leave out what was said before, and nothing else. */
import { join } from 'node:path';
import ts from 'typescript';
import { projectFolder } from '../support/imports.ts';

/** TS2304, TS2552, TS18004: names that the reader knows from elsewhere. */
const UNDECLARED = new Set([2304, 2552, 18004]);

/** What is wrong with programs, by name: `NAME:LINE: why`. */
export function mistakesIn(programs: Readonly<Record<string, string>>): string[] {
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2023,
    lib: ['lib.es2023.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'],
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    moduleDetection: ts.ModuleDetectionKind.Force,
    types: ['node'],
    strict: true,
    noImplicitAny: false,
    skipLibCheck: true,
    allowImportingTsExtensions: true,
    noEmit: true,
    paths: { 'slim-transformer/*': [join(projectFolder, 'infra/package/*.ts')] },
  };
  const files = new Map(Object.entries(programs).map(([name, text]) => [join(projectFolder, `${name}.ts`), text]));
  const host = ts.createCompilerHost(options);
  const { readFile, fileExists } = host;
  host.readFile = (path) => files.get(path) ?? readFile(path);
  host.fileExists = (path) => files.has(path) || fileExists(path);
  host.getSourceFile = (path, languageVersion) => {
    const text = host.readFile(path);
    return text === undefined ? undefined : ts.createSourceFile(path, text, languageVersion);
  };
  // What an import of WebAssembly or an artifact is.
  const ambient = join(projectFolder, 'infra/edge/modules.d.ts');
  const program = ts.createProgram([...files.keys(), ambient], options, host);
  return [...files.keys()].flatMap((path, index) => {
    const source = program.getSourceFile(path)!;
    return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)]
      .filter(({ code }) => !UNDECLARED.has(code))
      .map(({ start, messageText }) => {
        const { line } = source.getLineAndCharacterOfPosition(start ?? 0);
        return `${Object.keys(programs)[index]}:${line + 1}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
      });
  });
}
