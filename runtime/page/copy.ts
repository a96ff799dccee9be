import { part } from './dom.ts';

/**
 * The button that copies the example. Without a secure context there is no clipboard: the example is selected instead.
 */
export function startCopying(): void {
  const example = part('curl', HTMLElement);
  const told = part('copied', HTMLElement);
  part('copy', HTMLButtonElement).addEventListener('click', async () => {
    getSelection()?.selectAllChildren(example);
    const copied = await navigator.clipboard?.writeText(example.textContent ?? '').then(
      () => true,
      () => false,
    );
    told.textContent = copied ? 'Copied' : 'Selected: copy it with your keyboard';
  });
}
