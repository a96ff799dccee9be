/** What the tests leave out, read with TypeScript's own parser. */
import ts from 'typescript';

/** Of one file's text: the titles of tests and suites that may be skipped without a word of the reason. */
export function silentSkips(text: string): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && node.arguments.length > 0) {
      const [title] = node.arguments;
      const modifiers = modifiersOf(node.expression);
      const isFixed = ts.isStringLiteral(title) || ts.isNoSubstitutionTemplateLiteral(title);
      if (isFixed && modifiers.some((name) => ['skip', 'skipIf', 'runIf', 'todo'].includes(name)))
        found.push(title.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile('test.ts', text, ts.ScriptTarget.Latest, true));
  return found;
}

/** `skipIf` and `each` of `describe.skipIf(absent).each(cases)`; none of what is no test or suite. */
function modifiersOf(callee: ts.Expression): string[] {
  if (ts.isCallExpression(callee)) return modifiersOf(callee.expression);
  if (!ts.isPropertyAccessExpression(callee)) return [];
  const { expression, name } = callee;
  const isTest = ts.isIdentifier(expression) && ['describe', 'it', 'test'].includes(expression.text);
  const before = modifiersOf(expression);
  return isTest || before.length > 0 ? [...before, name.text] : [];
}
