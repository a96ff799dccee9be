/** What the sources import, read with TypeScript's own parser. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

export const projectFolder = fileURLToPath(new URL('../../', import.meta.url));

export interface Import {
  /** As written: `../graph/graph.ts`, `node:fs`, `hono/tiny`. */
  readonly specifier: string;
  /** The file of ours that it names, from the project's folder; null for packages. */
  readonly file: string | null;
  /** Erased when the file is built. */
  readonly typeOnly: boolean;
}

/** The TypeScript files below a folder of the project, as paths from the project's folder. */
export function sourcesIn(folder: string): string[] {
  const entries = readdirSync(join(projectFolder, folder), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.parentPath.includes('node_modules'))
    .map((entry) => relative(projectFolder, join(entry.parentPath, entry.name)))
    .sort();
}

/** Static and dynamic imports, re-exports, `require(...)` and `import('...')` types of one file. */
export function importsOf(path: string): Import[] {
  const found: Import[] = [];
  const add = (node: ts.Node, typeOnly: boolean): void => {
    if (!ts.isStringLiteral(node)) return;
    const specifier = node.text;
    found.push({ specifier, file: specifier.startsWith('.') ? join(dirname(path), specifier) : null, typeOnly });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, isErased(node.importClause));
    else if (ts.isExportDeclaration(node) && node.moduleSpecifier) add(node.moduleSpecifier, node.isTypeOnly);
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal, true);
    else if (ts.isCallExpression(node) && node.arguments.length > 0 && loads(node.expression))
      add(node.arguments[0], false);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, readFileSync(join(projectFolder, path), 'utf8'), ts.ScriptTarget.Latest, true));
  return found;
}

function isErased(clause: ts.ImportClause | undefined): boolean {
  if (!clause) return false;
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const { name, namedBindings } = clause;
  return (
    !name &&
    namedBindings !== undefined &&
    ts.isNamedImports(namedBindings) &&
    namedBindings.elements.every((element) => element.isTypeOnly)
  );
}

function loads(callee: ts.Expression): boolean {
  return callee.kind === ts.SyntaxKind.ImportKeyword || (ts.isIdentifier(callee) && callee.text === 'require');
}

/** The package of an import: `@jsquash/jpeg` of `@jsquash/jpeg/decode.js`, `node:fs` of `node:fs/promises`. */
export function packageOf(specifier: string): string {
  const parts = specifier.split('/');
  return parts.slice(0, specifier.startsWith('@') ? 2 : 1).join('/');
}

/**
 * Groups of files that import each other in circles (strongly connected components of more than one file; Tarjan 1972).
 */
export function cyclesAmong(files: readonly string[], importedBy: (file: string) => readonly string[]): string[][] {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const cycles: string[][] = [];
  const visit = (file: string): void => {
    index.set(file, index.size);
    low.set(file, index.get(file)!);
    stack.push(file);
    for (const next of importedBy(file)) {
      if (!index.has(next)) visit(next);
      if (stack.includes(next)) low.set(file, Math.min(low.get(file)!, low.get(next)!));
    }
    if (low.get(file) !== index.get(file)) return;
    const component = stack.splice(stack.indexOf(file));
    if (component.length > 1 || importedBy(file).includes(file)) cycles.push(component.sort());
  };
  for (const file of files) if (!index.has(file)) visit(file);
  return cycles;
}
