/**
 * The place beside the form where problems are told, with what there is to do about them: a button, or a token to give.
 */
import { part } from './dom.ts';

const box = part('problem', HTMLElement);
const text = part('problem-text', HTMLElement);
const button = part('problem-action', HTMLButtonElement);
const access = part('access', HTMLFormElement);
const token = part('token', HTMLInputElement);

/** What the reader can do about a problem; `run` is called each time that it is tried. */
export type Remedy =
  | { readonly kind: 'button'; readonly label: string; run(): void }
  | { readonly kind: 'token'; run(token: string): void };

/** Shows a message in place of the one before, and its remedy; null where there is nothing to do. */
export function showNotice(message: string, remedy: Remedy | null): void {
  box.hidden = false;
  box.classList.toggle('calm', remedy?.kind === 'token');
  button.hidden = remedy?.kind !== 'button';
  access.hidden = remedy?.kind !== 'token';
  if (remedy?.kind === 'button') {
    button.textContent = remedy.label;
    button.onclick = () => remedy.run();
  } else if (remedy?.kind === 'token') {
    access.onsubmit = (event) => {
      event.preventDefault();
      remedy.run(token.value);
    };
  }
  text.textContent = message;
}

/** From now on, problems are told where an answer would stand. */
export function placeNoticeAbove(place: HTMLElement): void {
  place.before(box);
}

/** Takes the message away. The focus goes to the result where it was on the remedy. */
export function hideNotice(): void {
  // The keyboard must not be left on a button that is gone.
  const wasHere = box.contains(document.activeElement);
  text.textContent = '';
  box.hidden = true;
  if (wasHere) part('result', HTMLElement).focus();
}
