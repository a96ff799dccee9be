/** Tables: the first column names the row, numbers stand at the right. */
import { type Content, type Html, html } from './html.ts';

/** A cell that is more than a text: a quiet second line, or its share of a bar. */
export interface Cell {
  readonly main: Content;
  /** Said beneath it. */
  readonly quiet?: Content;
}

/** A table of texts. */
export function cells(header: readonly Content[], rows: readonly (readonly (Content | Cell)[])[]): Html {
  return html`<table><thead><tr>${header.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
<tbody>${rows.map(
    ([name, ...others]) =>
      html`<tr><th scope="row">${written(name)}</th>${others.map((cell) => html`<td>${written(cell)}</td>`)}</tr>`,
  )}</tbody></table>`;
}

function written(cell: Content | Cell): Content {
  if (cell === null || typeof cell !== 'object' || !('main' in cell)) return cell as Content;
  return cell.quiet === undefined ? cell.main : html`${cell.main}<small>${cell.quiet}</small>`;
}

/** What may be wider than a phone: it moves by itself, by keyboard, too. */
export function scrolling(name: string, content: Html): Html {
  return html`<div class="scroll" role="region" aria-label="${name}" tabindex="0">${content}</div>`;
}

/** Names, and what there is to say of each. */
export function factList(facts: readonly (readonly [name: string, value: Content])[]): Html {
  return html`<dl class="facts">${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}
