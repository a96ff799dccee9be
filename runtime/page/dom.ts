/** The element of index.html with an id. @throws where page and script don't fit together */
export function part<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`index.html: expected a ${type.name} #${id}`);
  return found;
}

/** A new element. Strings become text, never markup: they come from the server. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className: string,
  ...content: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (className !== '') made.className = className;
  made.append(...content);
  return made;
}

/** A bar filled to a share, 0 to 1. It only pleases the eye: a text beside it says the same. */
export function bar(share: number): HTMLElement {
  const made = element('div', 'bar', element('i', ''));
  made.setAttribute('aria-hidden', 'true');
  made.style.setProperty('--share', String(share));
  return made;
}
