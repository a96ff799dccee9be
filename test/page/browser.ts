/** Chromium as a visitor of the page. */
import {
  type Browser,
  type BrowserContextOptions,
  chromium,
  type FileChooser,
  type Locator,
  type Page,
} from 'playwright-core';
import { notInstalled, systemProgram } from '../contract/hosts/installed.ts';

const file = systemProgram('chromium');

/** Why these tests can't run here; null where they can. */
export const absent = file === null ? notInstalled('apt-get install chromium') : null;

export function launch(...args: readonly string[]): Promise<Browser> {
  return chromium.launch({
    executablePath: file!,
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', ...args],
  });
}

export interface Visit {
  readonly page: Page;
  /** What the page asked of anybody. */
  readonly requests: readonly string[];
  /** What went wrong in it: errors, broken rules of its Content-Security-Policy. */
  readonly complaints: string[];
}

/** Opens an address as a new visitor. */
export async function visit(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Visit> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  const [requests, complaints]: string[][] = [[], []];
  page.on('request', (request) => requests.push(request.url()));
  page.on('pageerror', ({ message }) => complaints.push(message));
  page.on('console', (message) => {
    // Chromium tells of every status above 399 here, which the page is meant to get.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      complaints.push(message.text());
  });
  await page.goto(url);
  return { page, requests, complaints };
}

/** The lines of the prediction: label and percentage. Waits for the first. */
export async function predictionsOf(page: Page): Promise<string[]> {
  const lines = page.getByRole('region', { name: 'Prediction' }).getByRole('listitem');
  await lines.first().waitFor();
  return (await lines.allInnerTexts()).map(plain);
}

/** What a problem's alert says. Waits for it. */
export async function alertOf(page: Page): Promise<string> {
  const alert = page.getByRole('alert').filter({ hasText: /./ });
  await alert.waitFor();
  return plain(await alert.innerText());
}

/** With one space where the layout has any. */
export function plain(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}

/** Waits until the page knows the model: before that, it does not listen to what is chosen, dropped or typed. */
export async function formOf(page: Page): Promise<void> {
  await page.locator('#try').waitFor();
}

/** Gives a picture to the page's file field, which is there for Playwright long before it is for a visitor. */
export async function choosePicture(page: Page, picture: Parameters<Locator['setInputFiles']>[0]): Promise<void> {
  await formOf(page);
  await page.getByLabel(/^Choose/).setInputFiles(picture);
}

/** Opens a file field with the keyboard and chooses a file. */
export async function chooseByKeyboard(
  page: Page,
  field: Locator,
  chosen: Parameters<FileChooser['setFiles']>[0],
): Promise<void> {
  await formOf(page);
  // Long before the key: a chooser that opens before Chromium knows that somebody waits is never told of.
  const chooser = page.waitForEvent('filechooser');
  await tabTo(page, field);
  await page.keyboard.press('Enter');
  await (await chooser).setFiles(chosen);
}

/** Presses Tab until this has the focus. @throws where the keyboard does not get there */
export async function tabTo(page: Page, target: Locator): Promise<void> {
  for (let i = 0; i < 40; i++) {
    if (await target.evaluate((node) => node === document.activeElement)) return;
    await page.keyboard.press('Tab');
  }
  throw new Error(`Tab does not reach ${target}`);
}
