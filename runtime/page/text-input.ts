/** A text, or two. */
import { part } from './dom.ts';

const form = part('text-form', HTMLFormElement);
const text = part('text', HTMLTextAreaElement);
const pair = part('pair', HTMLDetailsElement);
const textPair = part('text-pair', HTMLTextAreaElement);

/** Calls `onText` when a text is to be classified, and `onChange` whenever what would be sent is another. */
export function startTextInput(onText: () => void, onChange: () => void): void {
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    onText();
  });
  form.addEventListener('keydown', ({ key, ctrlKey, metaKey }) => {
    if (key === 'Enter' && (ctrlKey || metaKey)) form.requestSubmit();
  });
  form.addEventListener('input', onChange);
  pair.addEventListener('toggle', onChange);
  part('text-input', HTMLElement).hidden = false;
}

/** What was written; the second text is null where there is none. */
export function writtenText(): { readonly text: string; readonly pair: string | null } {
  return { text: text.value, pair: pair.open && textPair.value !== '' ? textPair.value : null };
}
