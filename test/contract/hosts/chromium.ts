/** Chromium, and with it every browser of its family. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { chromium as browserType } from 'playwright-core';
import type { Host } from './host.ts';
import { notInstalled, systemProgram } from './installed.ts';

const file = systemProgram('chromium');

/**
 * A page on localhost is a secure context, which crypto.subtle needs. Nothing listens there: every request is answered
 * from `folder`.
 */
const ORIGIN = 'http://localhost';
const CONTENT_TYPES: Readonly<Record<string, string>> = { mjs: 'text/javascript', wasm: 'application/wasm' };

export const chromium: Host = {
  name: 'Chromium',
  absent: file === null ? notInstalled('apt-get install chromium') : null,
  builds: ['simd128', 'relaxed', 'relaxedPairs'],
  async run(folder, request) {
    const browser = await browserType.launch({
      executablePath: file!,
      args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
    });
    try {
      const page = await browser.newPage();
      await page.route(`${ORIGIN}/**`, async (route) => {
        const path = new URL(route.request().url()).pathname;
        if (path === '/')
          return route.fulfill({
            contentType: 'text/html',
            body: '<!doctype html><script type="module" src="/page.mjs"></script>',
          });
        const contentType = CONTENT_TYPES[path.split('.').at(-1) ?? ''];
        return route.fulfill(
          contentType === undefined ? { status: 404 } : { contentType, body: await readFile(join(folder, path)) },
        );
      });
      await page.goto(`${ORIGIN}/`);
      await page.waitForFunction(() => 'answerOfPage' in globalThis);
      return await page.evaluate((asked) => answerOfPage(asked), request);
    } finally {
      await browser.close();
    }
  },
};
