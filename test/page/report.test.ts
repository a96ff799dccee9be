/** The page of `slim report` in Chromium: axe finds nothing, nothing is asked for, and all of it fits a phone. */

import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import type { Browser, BrowserContextOptions } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { skipNote } from '../contract/hosts/installed.ts';
import {
  slim,
  slimJson,
  workFolder,
  writePictures,
  writeReviews,
  writeTinyBert,
  writeTinyModel,
} from '../support/cli.ts';
import { absent, launch, type Visit, visit } from './browser.ts';
import { overflowOf, smallTargets } from './checks.ts';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string }[];
}

/** What axe has against the page, one line a rule. */
async function violationsOf({ page }: Visit): Promise<string[]> {
  await page.evaluate(axe);
  const { violations } = (await page.evaluate('axe.run()')) as { violations: Violation[] };
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 80)).join(' ')}`);
}

describe.skipIf(absent !== null)(`the page of slim report${skipNote(absent)}`, () => {
  const work = workFolder();
  const pages = { pictures: work.path('pictures.html'), texts: work.path('texts.html') };
  const threads = ['--threads', '1'];
  let browser: Browser;

  beforeAll(async () => {
    browser = await launch();
    await writeTinyModel(work.path('teacher'));
    await writePictures(work.path('pets'));
    const train = ['train', '--model', work.path('teacher'), '--data', work.path('pets'), '--steps', '12', ...threads];
    for (const rank of ['2', '3'])
      await slimJson([
        ...train,
        '--batch-size',
        '8',
        '--rank',
        rank,
        '--layer-rank',
        'up=4',
        '--out',
        work.path(`r${rank}`),
      ]);
    await slimJson(['report', work.path('r2'), work.path('r3'), '--out', pages.pictures, ...threads]);
    writeReviews(work.path('reviews'));
    await writeTinyBert(work.path('bert'), ['the film is lovely', 'a dull story'], { labels: ['neg', 'pos'] });
    await slimJson(['report', work.path('bert'), '--data', work.path('reviews'), '--out', pages.texts, ...threads]);
  });
  afterAll(async () => {
    await browser.close();
    work.remove();
  });

  const views: Readonly<Record<string, BrowserContextOptions>> = {
    'on a wide window, light': { colorScheme: 'light' },
    'on a wide window, dark': { colorScheme: 'dark' },
    'on a phone': { viewport: { width: 390, height: 844 } },
    'on a phone, dark': { viewport: { width: 390, height: 844 }, colorScheme: 'dark' },
  };

  describe.each(['pictures', 'texts'] as const)('of %s', (kind) => {
    it.each(Object.keys(views))('%s: accessible, within the window, with nothing to load', async (view) => {
      const url = pathToFileURL(pages[kind]).href;
      const seen = await visit(browser, url, views[view]);
      // What is folded away has to be right, too.
      await seen.page.evaluate(() => {
        for (const details of document.querySelectorAll('details')) details.open = true;
      });
      expect(await violationsOf(seen)).toEqual([]);
      expect(await overflowOf(seen.page)).toBeLessThanOrEqual(0);
      expect(seen.requests.filter((asked) => asked !== url && !asked.startsWith('data:'))).toEqual([]);
      expect(seen.complaints).toEqual([]);
      await seen.page.context().close();
    });
  });

  it('draws in colours of the page: lines that are dark on light are light on dark', async () => {
    const colours = await Promise.all(
      (['light', 'dark'] as const).map(async (colorScheme) => {
        const { page } = await visit(browser, pathToFileURL(pages.pictures).href, { colorScheme });
        const stroke = await page
          .locator('.line')
          .first()
          .evaluate((line) => getComputedStyle(line).stroke);
        await page.context().close();
        return stroke;
      }),
    );
    expect(colours).toEqual(['rgb(11, 110, 95)', 'rgb(99, 207, 183)']);
  });

  it('--watch: an open page shows what was logged, without being asked', async () => {
    const record = JSON.parse(readFileSync(work.path('r2', 'run.json'), 'utf8')) as object;
    writeFileSync(work.path('r2', 'run.json'), JSON.stringify({ ...record, status: 'running' }));
    const interrupt = new AbortController();
    let url = '';
    const ended = slim(['report', work.path('r2'), '--watch', '--port', '0'], {
      signal: interrupt.signal,
      onStdout: (text) => {
        url = text.trim().slice('listening on '.length);
      },
    });
    await expect.poll(() => url, { timeout: 20_000 }).not.toBe('');
    const seen = await visit(browser, url);
    const log = work.path('r2', 'metrics.jsonl');
    writeFileSync(log, `${readFileSync(log, 'utf8')}${JSON.stringify({ step: 11, accuracy: 0.875, samples: 8 })}\n`);
    await seen.page.locator('circle title', { hasText: 'step 12: 87.50 %' }).waitFor({ state: 'attached' });
    expect(seen.complaints).toEqual([]);
    expect(seen.requests.every((asked) => asked.startsWith(url) || asked.startsWith('data:'))).toBe(true);
    interrupt.abort();
    expect((await ended).code).toBe(0);
  });

  it.each(Object.keys(views))(
    '%s: breaks no caption and no word of a head, and aligns heads with cells',
    async (view) => {
      const { page } = await visit(browser, pathToFileURL(pages.pictures).href, views[view]);
      const seen = await page.evaluate(() => {
        const lines = (selector: string): number[] =>
          [...document.querySelectorAll(selector)].map((element) => {
            const range = document.createRange();
            range.selectNodeContents(element);
            return new Set([...range.getClientRects()].map(({ top }) => Math.round(top))).size;
          });
        const alignment = (selector: string): string[] =>
          [...document.querySelectorAll(selector)].map((element) => getComputedStyle(element).textAlign);
        return {
          captions: lines('.looks figcaption'),
          heads: lines('.words tbody th').slice(0, 4),
          alignments: [...alignment('.words th'), ...alignment('.words td')],
        };
      });
      expect(new Set(seen.captions)).toEqual(new Set([1]));
      expect(seen.heads).toEqual([1, 1, 1, 1]);
      expect(new Set(seen.alignments)).toEqual(new Set(['start']));
      await page.context().close();
    },
  );

  it('on a phone, shows that a table goes on at its side', async () => {
    const { page } = await visit(browser, pathToFileURL(pages.pictures).href, views['on a phone']);
    const wide = page.locator('[aria-label="Facts"]');
    // The shadow is at the right, beneath covers that come with the content's ends.
    const shot = async (): Promise<string> => (await wide.screenshot()).toString('base64');
    const [isWider, before] = [await wide.evaluate((one) => one.scrollWidth > one.clientWidth), await shot()];
    expect(isWider).toBe(true);
    await page.addStyleTag({ content: ':root { --shade: transparent !important }' });
    expect(await shot()).not.toBe(before);
    await page.context().close();
  });

  it('has nothing to hit that a finger misses', async () => {
    const { page } = await visit(browser, pathToFileURL(pages.pictures).href, views['on a phone']);
    expect(await smallTargets(page)).toEqual([]);
    await page.context().close();
  });
});
