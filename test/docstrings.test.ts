/**
 * Every public export says what a caller has to know, and no line goes on without end: told from the sources.
 * What a docstring says is for people to judge; that it is there, for a test.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { projectFolder } from './support/imports.ts';

/** Built, installed or somebody else's. */
const OTHERS = new Set(['node_modules', 'dist', 'fixtures']);

/** Sources below a folder, as paths from the project's folder, but for declarations of modules (.d.ts). */
function sourcesBelow(folder: string): string[] {
  return readdirSync(join(projectFolder, folder), { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return OTHERS.has(entry.name) ? [] : sourcesBelow(path);
      return /(?<!\.d)\.(ts|mjs)$/.test(entry.name) ? [relative('.', path)] : [];
    })
    .sort();
}

const textOf = (file: string): string => readFileSync(join(projectFolder, file), 'utf8');

/**
 * The exported declarations of a file that have no docstring right above them, as `file:line name`. What is exported
 * from elsewhere (`export { add } from './add'`) has its docstring there.
 */
function undocumented(file: string, text: string): string[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  return source.statements.flatMap((statement) => {
    if (!isExported(statement) || docstringOf(statement, text) !== null) return [];
    const { line } = source.getLineAndCharacterOfPosition(statement.getStart());
    return [`${file}:${line + 1} ${nameOf(statement)}`];
  });
}

function isExported(statement: ts.Statement): boolean {
  if (ts.isExportAssignment(statement)) return true;
  const modifiers = ts.canHaveModifiers(statement) ? ts.getModifiers(statement) : undefined;
  return modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) ?? false;
}

/**
 * The docstring of a declaration; null where there is none, or it is empty. Between the two may stand line comments, as
 * for tools, but no empty line: what is above one is the file's.
 */
function docstringOf(statement: ts.Statement, text: string): string | null {
  const doc = ts.getJSDocCommentsAndTags(statement).findLast(ts.isJSDoc);
  if (doc === undefined || /\n\s*\n/.test(text.slice(doc.end, statement.getStart()))) return null;
  return /\w/.test(doc.getText()) ? doc.getText() : null;
}

function nameOf(statement: ts.Statement): string {
  if (ts.isVariableStatement(statement))
    return statement.declarationList.declarations.map(({ name }) => name.getText()).join(', ');
  const { name } = statement as ts.DeclarationStatement;
  return name?.getText() ?? 'default';
}

const code = ['cli', 'runtime', 'infra'].flatMap(sourcesBelow);

it('every export of cli, runtime and infra has a docstring', () => {
  expect(code.length).toBeGreaterThan(300);
  expect(code).toContain('runtime/kernels/assembly/gelu.ts');
  expect(code.flatMap((file) => undocumented(file, textOf(file)))).toEqual([]);
});

describe('undocumented', () => {
  it('finds exports of every kind', () => {
    const text = [
      '/** Of the file. */',
      '',
      'export const a = 1;',
      'export function b(): void {}',
      'export class C {}',
      'export interface D {}',
      'export type E = 1;',
      '// no docstring',
      'export const enum F {}',
      '/** */',
      'export const g = 2;',
      'export default 3;',
    ].join('\n');
    expect(undocumented('x.ts', text).map((found) => found.split(' ')[1])).toEqual([
      ...['a', 'b', 'C', 'D', 'E', 'F', 'g', 'default'],
    ]);
    expect(undocumented('x.ts', text)[0]).toBe('x.ts:3 a');
  });

  it('finds nothing in what is documented, private or exported from elsewhere', () => {
    const text = [
      "export { a } from './a.ts';",
      '/** What it is. */',
      'export const b = 1;',
      '/** What it is. */',
      '// biome-ignore lint/suspicious/noExplicitAny: a line for a tool',
      'export function c(given: any): void {}',
      'const d = 2;',
      'export {};',
    ].join('\n');
    expect(undocumented('x.ts', text)).toEqual([]);
  });
});

/** The formatter breaks at 120 characters what it may break; strings, comments and regular expressions it may not. */
const LONGEST_LINE = 140;

const lengthOf = (line: string): number => [...line].length;

it(`no line is longer than ${LONGEST_LINE} characters`, () => {
  const files = [...code, ...sourcesBelow('test')];
  expect(files).toContain('test/docstrings.test.ts');
  const long = files.flatMap((file) =>
    textOf(file)
      .split('\n')
      .flatMap((line, i) => (lengthOf(line) > LONGEST_LINE ? [`${file}:${i + 1} ${lengthOf(line)}`] : [])),
  );
  expect(long).toEqual([]);
});
