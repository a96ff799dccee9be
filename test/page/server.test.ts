/** The page as `slim serve` serves it, in Chromium, with a real model behind it. */
import { readFileSync, writeFileSync } from 'node:fs';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ModelInfo } from '../../runtime/http/classifier.ts';
import { smallTextArtifact } from '../runtime/text/small-tokenizer.ts';
import { slimJson, workFolder, writePictures, writeTinyModel } from '../support/cli.ts';
import { type Running, start } from '../support/process.ts';
import {
  absent,
  alertOf,
  chooseByKeyboard,
  choosePicture,
  launch,
  plain,
  predictionsOf,
  type Visit,
  visit,
} from './browser.ts';

const work = workFolder();
const picture = work.path('pictures/val/light/0.png');
const TOKEN = 'a-token-for-this-test';

/** What the page has to write of an answer: labels and percentages. */
function linesOf({
  predictions,
}: {
  readonly predictions: readonly { readonly label: string; readonly score: number }[];
}): string[] {
  return predictions.map(({ label, score }) => `${label} ${(100 * score).toFixed(1)} %`);
}

describe.skipIf(absent !== null)(`the page of slim serve${absent === null ? '' : ` (skipped: ${absent})`}`, () => {
  let browser: Browser;
  let last: Visit;
  const servers: Running[] = [];

  beforeAll(async () => {
    browser = await launch();
    await writeTinyModel(work.path('model'));
    await writePictures(work.path('pictures'));
    await slimJson([
      'train',
      '--model',
      work.path('model'),
      '--data',
      work.path('pictures'),
      '--rank',
      '4',
      '--steps',
      '8',
      '--batch-size',
      '8',
      '--threads',
      '1',
      '--out',
      work.path('run'),
    ]);
    await slimJson(['pack', work.path('run'), '--out', work.path('pictures.slim')]);
    writeFileSync(work.path('texts.slim'), await smallTextArtifact());
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    for (const { child } of servers) child.kill('SIGTERM');
    await Promise.all(servers.map(({ exit }) => exit));
    work.remove();
  });
  afterEach(async () => {
    await last.page.context().close();
    expect(last.complaints).toEqual([]);
  });

  async function serve(artifact: string, ...flags: readonly string[]): Promise<string> {
    const running = start([
      'serve',
      work.path(artifact),
      '--port',
      '0',
      '--workers',
      '0',
      '--log',
      'none',
      '--json',
      ...flags,
    ]);
    servers.push(running);
    const [, url] = await running.saw(/"url":"([^"]+)"/);
    return url;
  }

  async function open(url: string): Promise<Visit['page']> {
    last = await visit(browser, url);
    return last.page;
  }

  const ask = async (
    url: string,
    type: string,
    body: BodyInit,
    headers: Record<string, string> = {},
  ): Promise<{ predictions: { label: string; score: number }[] }> =>
    (await fetch(`${url}/v1/predict`, { method: 'POST', body, headers: { 'content-type': type, ...headers } })).json();

  it('classifies a picture, by keyboard, and tells what the server tells', async () => {
    const url = await serve('pictures.slim');
    const page = await open(url);
    await chooseByKeyboard(page, page.getByLabel('Choose a picture'), picture);
    expect(await predictionsOf(page)).toEqual(linesOf(await ask(url, 'image/png', readFileSync(picture))));
    const model = (await (await fetch(`${url}/v1/model`)).json()) as ModelInfo;
    expect(await page.getByRole('heading', { level: 1 }).innerText()).toBe(model.name);
    const facts = (await page.locator('#facts > div').allInnerTexts()).map(plain);
    expect(facts[0]).toContain(
      `${(100 * (1 - model.parameters / model.teacher!.parameters)).toFixed(1)} % fewer than its teacher’s`,
    );
    expect(facts[2]).toContain('f32 weights, rank 4');
    const rows = (await page.getByRole('row').allInnerTexts()).slice(1).map(plain);
    expect(rows).toEqual(
      model.accuracy.map(
        ({ stage, accuracy, samples }) =>
          `${stage === 'teacher' ? 'Teacher' : 'PC-LoRA'} ${(100 * accuracy!).toFixed(1)} % ${samples}`,
      ),
    );
    expect(last.requests.filter((asked) => !asked.startsWith(`${url}/`) && !/^(blob|data):/.test(asked))).toEqual([]);
  });

  it('says why a picture can not be read', async () => {
    const page = await open(await serve('pictures.slim'));
    await choosePicture(page, {
      name: 'half.png',
      mimeType: 'image/png',
      buffer: readFileSync(picture).subarray(0, 200),
    });
    expect(await alertOf(page)).toMatch(/^This picture can’t be read: a png that /);
  });

  it('classifies texts, and two of them', async () => {
    const url = await serve('texts.slim');
    const page = await open(url);
    await page.getByRole('textbox', { name: 'Text', exact: true }).fill('a good film');
    await page.keyboard.press('Control+Enter');
    const single = linesOf(await ask(url, 'text/plain', 'a good film'));
    expect(await predictionsOf(page)).toEqual(single);
    await page.getByText('Add a second text').click();
    await page.getByLabel('Second text').fill('bad');
    await page.getByRole('button', { name: 'Classify' }).click();
    const pair = linesOf(
      await ask(url, 'application/json', JSON.stringify({ inputs: { text: 'a good film', text_pair: 'bad' } })),
    );
    expect(pair).not.toEqual(single);
    await expect.poll(() => predictionsOf(page)).toEqual(pair);
  });

  it('says that a text was cut', async () => {
    const page = await open(await serve('texts.slim'));
    await page.getByRole('textbox', { name: 'Text', exact: true }).fill('good '.repeat(50));
    await page.getByRole('button', { name: 'Classify' }).click();
    await page.getByText('its end was left out').waitFor();
  });

  it('asks for the token, sends it, and waits where it asks too often', async () => {
    const url = await serve('pictures.slim', '--token', TOKEN, '--rate-limit', '4', '--max-body-bytes', '2048');
    const page = await open(url); // 1: no token
    expect(await alertOf(page)).toBe('This model asks for an access token.');
    await page.getByLabel('Access token').fill('another');
    await page.getByRole('button', { name: 'Use token' }).click(); // 2: a wrong one
    await page.getByText('This token is not accepted.').waitFor();
    await page.getByLabel('Access token').fill(TOKEN);
    await page.getByRole('button', { name: 'Use token' }).click(); // 3: the model
    await choosePicture(page, { name: 'large.png', mimeType: 'image/png', buffer: Buffer.alloc(4096) }); // 4: too large
    expect(await alertOf(page)).toBe(
      'This picture is larger than the server takes: the body is larger than 2048 bytes.',
    );
    // 5: too often, also where a slow browser has left time for the bucket to fill again.
    while ((await fetch(`${url}/v1/model`)).status !== 429);
    await choosePicture(page, picture);
    await page.getByText(/^That was too many requests in a short time\. Try again in \d+ seconds?\.$/).waitFor();
  });

  it('is one style and one script by the policy that it comes with', async () => {
    const url = await serve('pictures.slim');
    const page = await open(url);
    const policy = (await fetch(url)).headers.get('content-security-policy')!;
    expect(policy).toMatch(/^default-src 'none'; script-src 'sha256-[\w+/=]{44}'; style-src 'sha256-[\w+/=]{44}';/);
    await page.getByRole('heading', { name: 'Model card' }).waitFor();
    expect(await page.evaluate(() => getComputedStyle(document.querySelector('#choose')!).borderRadius)).toBe('10px');
    const violation = page.evaluate(
      () =>
        new Promise<string>((resolve) =>
          document.addEventListener('securitypolicyviolation', ({ effectiveDirective }) => resolve(effectiveDirective)),
        ),
    );
    await page.evaluate(() =>
      document.head.append(
        Object.assign(document.createElement('script'), { textContent: 'document.title = "broken in"' }),
      ),
    );
    expect(await violation).toBe('script-src-elem');
    expect(await page.title()).not.toBe('broken in');
    last.complaints.splice(0);
  });
});
