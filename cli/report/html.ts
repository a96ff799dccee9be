/**
 * The one way into the page: what stands between the braces of a template is escaped, unless it is a piece of HTML that
 * was made the same way. Labels, texts, paths and names of files are strangers' and may say anything.
 */
import { raw, html as tagged } from 'hono/html';

/** A piece of HTML that is safe to put anywhere between tags. */
export type Html = ReturnType<typeof raw>;

/** What may stand between the braces; nothing is written of null. No other objects: they might pass for escaped. */
export type Content = Html | string | number | null | readonly Content[];

/** A piece of HTML. Attributes are to be quoted: `<a title="${title}">`. */
export function html(strings: TemplateStringsArray, ...values: readonly Content[]): Html {
  // Promises, for which hono's own type makes room, are no `Content`.
  return tagged(strings, ...values) as Html;
}

/** A text of ours as it is: style and script, which are no place for what others wrote. */
export function verbatim(text: string): Html {
  return raw(text);
}
