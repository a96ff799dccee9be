/**
 * The page in Chromium, before a server that answers what each test wants. `server.test.ts` has it before a real one.
 */
import { readFileSync } from 'node:fs';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  absent,
  alertOf,
  chooseByKeyboard,
  choosePicture,
  formOf,
  launch,
  plain,
  predictionsOf,
  tabTo,
  type Visit,
  visit,
} from './browser.ts';
import { faintTexts, overflowOf, smallTargets } from './checks.ts';
import { PICTURE_MODEL, TEXT_MODEL } from './models.ts';
import { type Asked, html, problem, type Reply, type StandIn, standIn } from './stand-in.ts';

const PREDICTIONS = [
  { label: 'tortoise', score: 0.8312 },
  { label: 'hamster', score: 0.1201 },
  { label: 'cat', score: 0.0402 },
  { label: 'rabbit', score: 0.0081 },
  { label: 'dog', score: 0.0003 },
];
const LINES = ['tortoise 83.1 %', 'hamster 12.0 %', 'cat 4.0 %', 'rabbit 0.8 %', 'dog < 0.1 %'];
const ANSWER: Reply = { body: { predictions: PREDICTIONS, latencyMs: 12.34 } };
const TEXT_ANSWER: Reply = {
  body: {
    predictions: [
      { label: 'positive', score: 0.9 },
      { label: 'negative', score: 0.1 },
    ],
    latencyMs: 2,
  },
};

const jpeg = await sharp({ create: { width: 60, height: 40, channels: 3, background: '#0b6e5f' } })
  .jpeg()
  .toBuffer();
const PICTURE = { name: 'garden.jpg', mimeType: 'image/jpeg', buffer: jpeg };

describe('dist/page.html', () => {
  it('is one file: one script, one style, nothing to load, nothing that a Content-Security-Policy of hashes forbids', () => {
    expect(html.match(/<script/g)).toHaveLength(1);
    expect(html.match(/<style/g)).toHaveLength(1);
    expect(html).toContain('<script type="module">');
    const [markup] = html.replace(/<(script|style)[^>]*>[\s\S]*?<\/\1>/g, '').match(/[\s\S]*/)!;
    expect(markup).not.toMatch(/\s(on\w+|style|src)=/);
    expect([...markup.matchAll(/<link rel="(\w+)" href="(\w+:)/g)].map(([, rel, scheme]) => [rel, scheme])).toEqual([
      ['icon', 'data:'],
    ]);
    expect(html).not.toMatch(/@import|url\(|sourceMappingURL/);
  });

  it('writes no markup that a server sends', () => {
    expect(html).not.toMatch(/innerHTML|outerHTML|insertAdjacentHTML|document\.write/);
  });
});

describe.skipIf(absent !== null)(`the page in Chromium${absent === null ? '' : ` (skipped: ${absent})`}`, () => {
  let browser: Browser;
  let server: StandIn;
  let last: Visit;

  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(() => browser?.close());

  /** A new visitor of a page whose server answers so. */
  async function open(
    model: StandIn['model'],
    predict: StandIn['predict'],
    options?: BrowserContextOptions,
  ): Promise<Page> {
    server = await standIn(model, predict);
    last = await visit(browser, server.url, options);
    return last.page;
  }
  async function openPictures(predict: StandIn['predict'] = ANSWER, options?: BrowserContextOptions): Promise<Page> {
    const page = await open({ body: PICTURE_MODEL }, predict, options);
    await formOf(page);
    return page;
  }
  const openTexts = (predict: StandIn['predict'] = TEXT_ANSWER): Promise<Page> => open({ body: TEXT_MODEL }, predict);
  const choose = (page: Page, picture: { name: string; mimeType: string; buffer: Buffer } = PICTURE): Promise<void> =>
    choosePicture(page, picture);
  const predictions = (): Asked[] => server.asked.filter(({ url }) => url.startsWith('/v1/predict'));

  afterEach(async () => {
    await last.page.context().close();
    await server.close();
    expect(last.complaints).toEqual([]);
    expect(last.requests.filter((url) => !url.startsWith(`${server.url}/`) && !/^(blob|data):/.test(url))).toEqual([]);
  });

  describe('pictures', () => {
    it('are sent as they are, and answered with labels and percentages', async () => {
      const page = await openPictures();
      await choose(page);
      expect(await predictionsOf(page)).toEqual(LINES);
      const [{ method, url, headers, body }] = predictions();
      expect([method, url, headers['content-type'], body.equals(jpeg)]).toEqual([
        'POST',
        '/v1/predict?top_k=5',
        'image/jpeg',
        true,
      ]);
      const said = await page.getByRole('region', { name: 'Prediction' }).innerText();
      expect(plain(said)).toMatch(/12\.3 ms on the server · \d+\.\d ms round trip$/);
      await page.getByRole('img', { name: 'Your picture, garden.jpg' }).waitFor();
    });

    it('draw bars as long as the percentages', async () => {
      const page = await openPictures();
      await choose(page);
      await predictionsOf(page);
      const shares = await page
        .locator('#result .bar')
        .evaluateAll((bars) =>
          bars.map((bar) => (bar.firstElementChild as HTMLElement).offsetWidth / (bar as HTMLElement).offsetWidth),
        );
      shares.forEach((share, i) => expect(Math.abs(share - PREDICTIONS[i].score)).toBeLessThan(0.01));
    });

    it('may be dropped anywhere, or pasted', async () => {
      const page = await openPictures();
      for (const type of ['drop', 'paste'] as const) {
        await page.evaluate(
          ([name, bytes]) => {
            const files = new DataTransfer();
            files.items.add(new File([Uint8Array.from(bytes)], `${name}.png`, { type: 'image/png' }));
            const options = { bubbles: true, cancelable: true };
            document.body.dispatchEvent(
              name === 'drop'
                ? new DragEvent(name, { dataTransfer: files, ...options })
                : new ClipboardEvent(name, { clipboardData: files, ...options }),
            );
          },
          [type, [...jpeg]] as const,
        );
        await page.getByRole('img', { name: `Your picture, ${type}.png` }).waitFor();
        expect(await predictionsOf(page)).toEqual(LINES);
      }
      // The first answer stays until the second comes.
      await expect.poll(() => predictions().length).toBe(2);
      expect(predictions().map(({ headers, body }) => [headers['content-type'], body.equals(jpeg)])).toEqual([
        ['image/png', true],
        ['image/png', true],
      ]);
    });

    it('give their memory back when another one comes', async () => {
      const page = await openPictures();
      const urls = await page.evaluateHandle(() => {
        const alive = new Set<string>();
        const { createObjectURL, revokeObjectURL } = URL;
        URL.createObjectURL = (object) => {
          const url = createObjectURL.call(URL, object);
          alive.add(url);
          return url;
        };
        URL.revokeObjectURL = (url) => {
          alive.delete(url);
          revokeObjectURL.call(URL, url);
        };
        return alive;
      });
      for (const name of ['a.jpg', 'b.jpg', 'c.jpg']) {
        await choose(page, { ...PICTURE, name });
        await page.getByRole('img', { name: `Your picture, ${name}` }).waitFor();
      }
      expect(await urls.evaluate((alive) => alive.size)).toBe(1);
    });

    it('as many labels as are asked for, also afterwards', async () => {
      const page = await openPictures(({ url }) => ({
        body: {
          predictions: PREDICTIONS.slice(0, Number(new URL(url, 'http://localhost').searchParams.get('top_k'))),
          latencyMs: 1,
        },
      }));
      const top = page.getByLabel('Show top');
      expect(await top.locator('option').allInnerTexts()).toEqual(['1', '3', '5', '6']);
      await choose(page);
      expect(await predictionsOf(page)).toHaveLength(5);
      await top.selectOption('3');
      await page.getByText('rabbit 0.8').waitFor({ state: 'detached' });
      expect(await predictionsOf(page)).toEqual(LINES.slice(0, 3));
      expect(predictions().map(({ url }) => url)).toEqual(['/v1/predict?top_k=5', '/v1/predict?top_k=3']);
    });

    it('an answer that comes too late does not replace the newer one', async () => {
      const page = await openPictures(({ headers }) =>
        headers['content-type'] === 'image/png'
          ? { ...ANSWER, waitMs: 500 }
          : { body: { predictions: [{ label: 'cat', score: 1 }], latencyMs: 1 } },
      );
      await choose(page, { ...PICTURE, name: 'slow.png', mimeType: 'image/png' });
      expect(await page.locator('#result').getAttribute('aria-busy')).toBe('true');
      await choose(page);
      expect(await predictionsOf(page)).toEqual(['cat 100.0 %']);
      await page.waitForTimeout(700);
      expect(await predictionsOf(page)).toEqual(['cat 100.0 %']);
      expect(await page.locator('#result').getAttribute('aria-busy')).toBe('false');
    });

    it('of more than 4 MB are sent only when told again', async () => {
      const page = await openPictures();
      await choose(page, { ...PICTURE, buffer: Buffer.concat([jpeg, Buffer.alloc(4 * 1024 ** 2)]) });
      expect(await alertOf(page)).toMatch(/^This picture has 4\.19 MB\. Servers take about 4 MB unless/);
      expect(predictions()).toEqual([]);
      await page.getByRole('button', { name: 'Send it anyway' }).click();
      expect(await predictionsOf(page)).toEqual(LINES);
      expect(await page.getByRole('alert').count()).toBe(0);
    });

    it('and nothing else', async () => {
      const page = await openPictures();
      await choose(page, { name: 'taxes.pdf', mimeType: 'application/pdf', buffer: Buffer.from('%PDF') });
      expect(await alertOf(page)).toBe('taxes.pdf is no picture. Give a JPEG, PNG or WebP.');
      expect(predictions()).toEqual([]);
    });
  });

  describe('texts', () => {
    it('are sent as JSON, by button or Ctrl and Enter', async () => {
      const page = await openTexts();
      const text = page.getByRole('textbox', { name: 'Text', exact: true });
      await text.fill('A lovely film.\n“Quiet”, too.');
      await page.getByRole('button', { name: 'Classify' }).click();
      expect(await predictionsOf(page)).toEqual(['positive 90.0 %', 'negative 10.0 %']);
      await text.fill('Dull.');
      await text.press('Control+Enter');
      await expect.poll(() => predictions().length).toBe(2);
      const bodies = predictions().map(({ url, headers, body }) => [
        url,
        headers['content-type'],
        JSON.parse(body.toString()),
      ]);
      expect(bodies).toEqual(
        ['A lovely film.\n“Quiet”, too.', 'Dull.'].map((inputs) => [
          '/v1/predict?top_k=2',
          'application/json',
          { inputs },
        ]),
      );
    });

    it('two of them, where the second is not folded away', async () => {
      const page = await openTexts();
      await page.getByRole('textbox', { name: 'Text', exact: true }).fill('It rains.');
      await page.getByText('Add a second text').click();
      await page.getByLabel('Second text').fill('The street is wet.');
      const classify = page.getByRole('button', { name: 'Classify' });
      await classify.click();
      await predictionsOf(page);
      await page.getByText('Add a second text').click();
      await classify.click();
      await expect.poll(() => predictions().length).toBe(2);
      expect(predictions().map(({ body }) => JSON.parse(body.toString()))).toEqual([
        { inputs: { text: 'It rains.', text_pair: 'The street is wet.' } },
        { inputs: 'It rains.' },
      ]);
    });

    it('of no words are not sent', async () => {
      const page = await openTexts();
      await page.getByRole('button', { name: 'Classify' }).click();
      expect(
        await page
          .getByRole('textbox', { name: 'Text', exact: true })
          .evaluate((node: HTMLTextAreaElement) => node.validity.valueMissing),
      ).toBe(true);
      expect(predictions()).toEqual([]);
    });

    it('say where they were cut', async () => {
      const page = await openTexts({
        body: { predictions: [{ label: 'positive', score: 1 }], truncated: true, latencyMs: 2 },
      });
      await page.getByRole('textbox', { name: 'Text', exact: true }).fill('long');
      await page.keyboard.press('Control+Enter');
      await page.getByText('The text is longer than the model reads: its end was left out.').waitFor();
    });
  });

  describe('the model card', () => {
    it('tells what the model is, costs and keeps', async () => {
      const page = await openPictures();
      await page.getByRole('heading', { name: 'pets', level: 1 }).waitFor();
      expect(await page.title()).toBe('pets · Slim');
      await page.getByText('Picture classifier · ViT · 6 labels').waitFor();
      const facts = (await page.locator('#facts > div').allInnerTexts()).map(plain);
      expect(facts).toEqual([
        `Parameters 6.19 M ${(100 * (1 - 6_193_678 / 85_806_346)).toFixed(1)} % fewer than its teacher’s 85.8 M`,
        `Computation per picture 1.88 GMAC ${(100 * (1 - 1.88 / 17.563)).toFixed(1)} % ` +
          'less than its teacher’s 17.6 GMAC 1 MAC = 2 FLOPs',
        'Size 6.32 MB int8 weights, rank 32',
        'Accuracy 92.9 % on 1,200 samples',
      ]);
      const rows = await page
        .getByRole('table', { name: 'Accuracy after each stage' })
        .getByRole('row')
        .allInnerTexts();
      expect(rows.map(plain)).toEqual([
        'Stage Accuracy Samples',
        'Teacher 94.1 % 1,200',
        'PC-LoRA 93.0 % 1,200',
        'int8 92.9 % 1,200',
      ]);
      expect(await page.locator('#labels').getByRole('listitem').allInnerTexts()).toEqual(PICTURE_MODEL.labels);
      expect(await page.getByRole('link', { name: 'OpenAPI', includeHidden: true }).getAttribute('href')).toBe(
        'openapi.json',
      );
    });

    it('says nothing of a teacher or an accuracy that there are none of', async () => {
      const page = await openTexts();
      await page.getByText('Text classifier · BERT · 2 labels').waitFor();
      expect((await page.locator('#facts > div').allInnerTexts()).map(plain)).toEqual([
        'Parameters 6.19 M',
        'Computation per longest text 1.88 GMAC 1 MAC = 2 FLOPs',
        'Size 6.32 MB f32 weights',
      ]);
      expect(await page.getByRole('table').isVisible()).toBe(false);
    });

    it('folds many labels away', async () => {
      const labels = Array.from({ length: 1000 }, (_, i) => `label ${i}`);
      const page = await open({ body: { ...PICTURE_MODEL, labels } }, ANSWER);
      const summary = page.getByText('Show all 1,000');
      await summary.waitFor();
      expect(await page.getByText('label 999').isVisible()).toBe(false);
      await summary.click();
      expect(await page.locator('#labels').getByRole('listitem').allInnerTexts()).toEqual(labels);
      expect(await page.getByLabel('Show top').locator('option').allInnerTexts()).toEqual(['1', '3', '5', '10', '20']);
    });
  });

  it('shows what servers and files say as text', async () => {
    const evil = '<img src=x onerror=alert(1)><script>alert(2)</script>';
    const page = await open(
      { body: { ...PICTURE_MODEL, name: evil, architecture: evil, labels: [evil] } },
      ({ headers }) =>
        headers['content-type'] === 'image/png'
          ? problem(422, evil)
          : { body: { predictions: [{ label: evil, score: 1 }], latencyMs: 1 } },
    );
    await choose(page, { ...PICTURE, name: evil });
    expect(await predictionsOf(page)).toEqual([`${evil} 100.0 %`]);
    await choose(page, { ...PICTURE, name: 'x.png', mimeType: 'image/png' });
    expect(await alertOf(page)).toBe(`This picture can’t be read: ${evil}.`);
    expect(await page.locator('main img').count()).toBe(1);
    expect(await page.locator('script').count()).toBe(1);
  });

  describe('problems', () => {
    it.each<[string, Reply, string]>([
      [
        'a picture that is none',
        problem(422, 'not a picture of a known format (JPEG, PNG and WebP are)'),
        'This picture can’t be read: not a picture of a known format (JPEG, PNG and WebP are).',
      ],
      [
        'a server that takes less',
        problem(413, 'the body is larger than 1024 bytes'),
        'This picture is larger than the server takes: the body is larger than 1024 bytes.',
      ],
      [
        'a proxy that answers in HTML',
        { status: 413, headers: { 'content-type': 'text/html' }, body: '<html>too large</html>' },
        'This picture is larger than the server takes.',
      ],
      [
        'another type',
        problem(415, 'expected image/*'),
        'The server does not take files of this kind: expected image/*.',
      ],
    ])('%s', async (_, reply, text) => {
      const page = await openPictures(reply);
      await choose(page);
      expect(await alertOf(page)).toBe(text);
      expect(await page.getByRole('button', { name: 'Try again' }).isVisible()).toBe(false);
    });

    it.each<[number, string]>([
      [429, 'That was too many requests in a short time. Try again in 7 seconds.'],
      [503, 'The server is busy. Try again in 7 seconds.'],
      [504, 'The answer took too long. Try again.'],
      [500, 'Something went wrong on the server (500). Try again, or look for request req-1 in its log.'],
    ])('%i: the same request may be sent again', async (status, text) => {
      const page = await openPictures(problem(status, '', { 'retry-after': '7' }));
      await choose(page);
      expect(await alertOf(page)).toBe(text);
      server.predict = ANSWER;
      await page.getByRole('button', { name: 'Try again' }).click();
      expect(await predictionsOf(page)).toEqual(LINES);
      expect(await page.getByRole('alert').count()).toBe(0);
      expect(predictions().map(({ body }) => body.equals(jpeg))).toEqual([true, true]);
    });

    it('an answer does not stay beside the picture that failed after it', async () => {
      const page = await openPictures();
      await choose(page);
      await predictionsOf(page);
      server.predict = problem(422, 'broken');
      await choose(page, { ...PICTURE, name: 'other.jpg' });
      await alertOf(page);
      expect(await page.locator('#result').innerText()).toBe('');
    });

    it('a server that is gone', async () => {
      const page = await openPictures();
      await page.context().setOffline(true);
      await choose(page);
      expect(await alertOf(page)).toBe('The server can’t be reached. Check your connection and try again.');
      await page.context().setOffline(false);
      await page.getByRole('button', { name: 'Try again' }).click();
      expect(await predictionsOf(page)).toEqual(LINES);
    });

    it('a server that is not ready yet', async () => {
      const page = await open(problem(503, 'starting', { 'retry-after': '1' }), ANSWER);
      expect(await alertOf(page)).toBe('The server is busy. Try again in 1 second.');
      server.model = { body: PICTURE_MODEL };
      await page.getByRole('button', { name: 'Try again' }).click();
      await page.getByRole('heading', { name: 'pets' }).waitFor();
    });
  });

  describe('a token', () => {
    const guarded =
      (reply: Reply) =>
      ({ headers: { authorization } }: Asked): Reply =>
        authorization === 'Bearer right'
          ? reply
          : authorization === undefined
            ? problem(401, 'no token')
            : problem(403, 'wrong token');

    it('is asked for, sent in a header, and kept nowhere', async () => {
      const page = await open(guarded({ body: PICTURE_MODEL }), guarded(ANSWER));
      expect(await alertOf(page)).toBe('This model asks for an access token.');
      const field = page.getByLabel('Access token');
      await field.fill('wrong');
      await page.getByRole('button', { name: 'Use token' }).click();
      await page.getByText('This token is not accepted. Check it and try again.').waitFor();
      await field.fill('right');
      await field.press('Enter');
      await page.getByRole('heading', { name: 'pets' }).waitFor();
      expect(await field.isVisible()).toBe(false);
      await choose(page);
      expect(await predictionsOf(page)).toEqual(LINES);
      expect(await page.locator('#curl').textContent()).toContain('-H "authorization: Bearer $TOKEN"');
      expect(await page.locator('#curl').textContent()).not.toContain('right');
      expect(
        await page.evaluate(() => [
          localStorage.length,
          sessionStorage.length,
          document.cookie,
          location.href.includes('right'),
        ]),
      ).toEqual([0, 0, '', false]);
      await page.reload();
      expect(await alertOf(page)).toBe('This model asks for an access token.');
    });

    it('may also be asked for later, and the picture is sent again', async () => {
      const page = await openPictures(guarded(ANSWER));
      await choose(page);
      await page.getByLabel('Access token').fill('right');
      await page.keyboard.press('Enter');
      expect(await predictionsOf(page)).toEqual(LINES);
    });
  });

  describe('the example', () => {
    it('is what the page sends', async () => {
      const page = await openPictures();
      await page.getByText('The same from your own code').click();
      const example = page.getByRole('region', { name: 'Example request' });
      expect(await example.innerText()).toBe(
        `curl '${server.url}/v1/predict?top_k=5' \\\n  -H 'content-type: image/jpeg' \\\n  --data-binary '@picture.jpg'`,
      );
      await choose(page, { name: 'rex.png', mimeType: 'image/png', buffer: jpeg });
      await page.getByLabel('Show top').selectOption('1');
      expect(await example.innerText()).toBe(
        `curl '${server.url}/v1/predict?top_k=1' \\\n  -H 'content-type: image/png' \\\n  --data-binary '@rex.png'`,
      );
    });

    it('can be copied, and where there is no clipboard it is selected', async () => {
      const page = await openTexts();
      await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
      await page.getByRole('textbox', { name: 'Text', exact: true }).fill("it's good");
      await page.getByText('The same from your own code').click();
      await page.getByRole('button', { name: 'Copy' }).click();
      await page.getByRole('status').filter({ hasText: 'Copied' }).waitFor();
      const copied = await page.evaluate(() => navigator.clipboard.readText());
      expect(copied).toContain(`-d '{"inputs":"it'\\''s good"}'`);
      await page.evaluate(() => Object.defineProperty(navigator, 'clipboard', { value: undefined }));
      await page.getByRole('button', { name: 'Copy' }).click();
      await page.getByText('Selected: copy it with your keyboard').waitFor();
      expect(await page.evaluate(() => String(getSelection()))).toBe(copied);
    });
  });

  describe('everybody', () => {
    it('can use it with the keyboard alone', async () => {
      const page = await openPictures(problem(429, '', { 'retry-after': '1' }));
      await page.getByRole('heading', { name: 'pets' }).waitFor();
      await chooseByKeyboard(page, page.getByLabel('Choose a picture'), PICTURE);
      expect(await page.locator('#choose').evaluate((label) => getComputedStyle(label).outlineStyle)).toBe('solid');
      await alertOf(page);
      server.predict = ANSWER;
      await tabTo(page, page.getByRole('button', { name: 'Try again' }));
      await page.keyboard.press('Enter');
      expect(await predictionsOf(page)).toEqual(LINES);
      expect(await page.evaluate(() => document.activeElement?.id)).toBe('result');
      await tabTo(page, page.getByLabel('Show top').or(page.getByText('The same from your own code')).last());
      await page.keyboard.press('Space');
      await tabTo(page, page.getByRole('link', { name: 'OpenAPI' }));
    });

    it('hears names, roles and structure', async () => {
      const page = await openPictures();
      await choose(page);
      await predictionsOf(page);
      expect(await page.locator('html').getAttribute('lang')).toBe('en');
      expect(await page.locator('#result').getAttribute('aria-live')).toBe('polite');
      const tree = (await page.locator('body').ariaSnapshot())
        .replaceAll('\u00a0', ' ')
        .replace(/[\d.]+ ms round trip/, '… ms round trip');
      expect(tree).toBe(readFileSync(new URL('page.aria.yml', import.meta.url), 'utf8').trimEnd());
      expect(tree.match(/- (button|combobox|link|textbox)(?! ")/g)).toBe(null);
    });

    it.each(['light', 'dark'] as const)('can read it in %s', async (colorScheme) => {
      const page = await openPictures(ANSWER, { colorScheme, reducedMotion: 'reduce' });
      const grounds = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      expect(grounds).toBe(colorScheme === 'light' ? 'rgb(245, 244, 240)' : 'rgb(19, 21, 19)');
      await page.getByText('The same from your own code').click();
      expect(await faintTexts(page)).toEqual([]);
      await choose(page);
      await predictionsOf(page);
      expect(await faintTexts(page)).toEqual([]);
      server.predict = problem(401, '');
      await choose(page, { ...PICTURE, name: 'other.jpg' });
      await alertOf(page);
      expect(await faintTexts(page)).toEqual([]);
      server.predict = problem(422, 'broken');
      await choose(page);
      await page.getByText('broken').waitFor();
      expect(await faintTexts(page)).toEqual([]);
    });

    it.each([
      ['no-preference', 5],
      ['reduce', 0],
    ] as const)('sees bars grow or stand, motion: %s', async (reducedMotion, growing) => {
      const page = await openPictures(ANSWER, { reducedMotion });
      const moving = page.evaluate(
        () =>
          new Promise<number>((resolve) => {
            const result = document.querySelector('#result')!;
            new MutationObserver(() =>
              resolve(result.querySelector('.predictions')!.getAnimations({ subtree: true }).length),
            ).observe(result, { childList: true });
          }),
      );
      await choose(page);
      expect(await moving).toBe(growing);
    });

    it.each<[string, number, StandIn['model']]>([
      [
        'pictures',
        320,
        {
          body: {
            ...PICTURE_MODEL,
            name: 'google/vit-base-patch16-224-in21k-finetuned',
            labels: [...PICTURE_MODEL.labels, 'a'.repeat(80)],
          },
        },
      ],
      ['texts', 320, { body: TEXT_MODEL }],
    ])('fits %s on %i pixels, with targets for fingers', async (_, width, model) => {
      const page = await open(model, problem(422, `a${'b'.repeat(200)}`), { viewport: { width, height: 640 } });
      const text = page.getByRole('textbox', { name: 'Text', exact: true });
      await page.getByRole('region', { name: 'Prediction' }).waitFor();
      for (const summary of await page.locator('summary:visible').all()) await summary.click();
      const ask = async (): Promise<void> => {
        if (!(await text.isVisible())) return choose(page, { ...PICTURE, name: `${'c'.repeat(100)}.jpg` });
        await text.fill('d'.repeat(300));
        await text.press('Control+Enter');
      };
      await ask();
      await alertOf(page);
      expect([await overflowOf(page), await smallTargets(page)]).toEqual([0, []]);
      server.predict = { body: { predictions: [{ label: 'e'.repeat(200), score: 1 }], truncated: true, latencyMs: 1 } };
      await ask();
      await predictionsOf(page);
      expect([await overflowOf(page), await smallTargets(page)]).toEqual([0, []]);
      server.predict = problem(401, '');
      await ask();
      await page.getByLabel('Access token').waitFor();
      expect([await overflowOf(page), await smallTargets(page)]).toEqual([0, []]);
    });

    it('takes a photo where fingers point', async () => {
      await openPictures();
      const phone = await launch(
        '--blink-settings=primaryPointerType=2,availablePointerTypes=2,primaryHoverType=1,availableHoverTypes=1',
      );
      try {
        const { page } = await visit(phone, server.url, { viewport: { width: 390, height: 844 } });
        const camera = page.getByLabel('Take a photo');
        await camera.waitFor();
        expect(
          await camera.evaluate((input: HTMLInputElement) => [input.accept, input.getAttribute('capture')]),
        ).toEqual(['image/*', 'environment']);
        await camera.setInputFiles(PICTURE);
        expect(await predictionsOf(page)).toEqual(LINES);
      } finally {
        await phone.close();
      }
    });
  });
});
