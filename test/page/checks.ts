/**
 * Run in the page: what its visitors must be able to read and hit. Each tells what breaks a rule; a test expects
 * nothing.
 */
import type { Page } from 'playwright-core';

/** Texts whose contrast to what lies behind them is below WCAG 2.2's AA: 4.5, for large ones 3. */
export function faintTexts(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    type Colour = readonly [red: number, green: number, blue: number, alpha: number];
    const read = (css: string): Colour => {
      const [red, green, blue, alpha = 1] = css.match(/[\d.]+/g)!.map(Number);
      return [red, green, blue, alpha];
    };
    const luminance = ([red, green, blue]: Colour): number => {
      const [r, g, b] = [red, green, blue].map((value) =>
        value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4,
      );
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (node: Element): Colour => {
      const colour = read(getComputedStyle(node).backgroundColor);
      return colour[3] === 1 ? colour : behind(node.parentElement!);
    };
    const faint: string[] = [];
    for (const node of document.querySelectorAll('body, body *')) {
      const text = [...node.childNodes]
        .filter(({ nodeType }) => nodeType === Node.TEXT_NODE)
        .map(({ data }: any) => data as string)
        .join('')
        .trim();
      if (text === '' || !node.checkVisibility() || node.closest('script, style, option')) continue;
      const { color, fontSize, fontWeight } = getComputedStyle(node);
      const [dark, light] = [luminance(read(color)), luminance(behind(node))].sort((a, b) => a - b);
      const size = parseFloat(fontSize);
      const least = size >= 24 || (size >= 18.66 && Number(fontWeight) >= 700) ? 3 : 4.5;
      const contrast = (light + 0.05) / (dark + 0.05);
      if (contrast < least) faint.push(`${text}: ${contrast.toFixed(2)}`);
    }
    return faint;
  });
}

/** Controls that a finger can miss: smaller than 44 × 44 CSS pixels. A hidden file field is hit through its label. */
export function smallTargets(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const controls = [
      ...document.querySelectorAll<HTMLElement>(
        'button, .button, select, summary, a, textarea, input:not([type=file])',
      ),
    ].filter((node) => node.checkVisibility());
    const boxes = controls.map((node) => ({ name: node.innerText || node.id, box: node.getBoundingClientRect() }));
    return boxes
      .filter(({ box }) => box.width < 44 || box.height < 44)
      .map(({ name, box }) => `${name}: ${box.width} × ${box.height}`);
  });
}

/** How much wider than the window the page is. */
export function overflowOf(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
}
