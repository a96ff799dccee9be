// Makes the page of a served model one HTML file: script and style inline, so that a Content-Security-Policy can name
// their hashes and nothing else is ever loaded.
import { readFileSync, writeFileSync } from 'node:fs';
import { build } from 'esbuild';

/** Where browsers got what the page uses: 2023. */
const TARGET = ['chrome111', 'firefox113', 'safari16.4'];

const MARKS = {
  style: '<link rel="stylesheet" href="page.css">',
  script: '<script type="module" src="page.ts"></script>',
};

/** Bundles runtime/page into one file. */
export async function buildPage(outfile) {
  const [style, script] = await Promise.all([bundle('page.css'), bundle('page.ts')]);
  const html = readFileSync('runtime/page/index.html', 'utf8').replace(/\n\s*/g, '\n');
  const whole = replace(
    replace(html, MARKS.style, `<style>${style}</style>`),
    MARKS.script,
    `<script type="module">${script}</script>`,
  );
  writeFileSync(outfile, whole);
}

async function bundle(entry) {
  const {
    outputFiles: [{ text }],
  } = await build({
    entryPoints: [`runtime/page/${entry}`],
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    target: TARGET,
    charset: 'utf8',
    legalComments: 'none',
    logLevel: 'warning',
  });
  return text.trim();
}

function replace(html, mark, content) {
  if (html.split(mark).length !== 2) throw new Error(`index.html: expected one ${mark}`);
  return html.replace(mark, () => content);
}
