/** As much XML as AWS speaks: elements and text. */

/** An element's content. What is undefined is left out; a list is so many elements of one name. */
export type XmlContent = string | number | boolean | Date | XmlElements | undefined;
export interface XmlElements {
  readonly [name: string]: XmlContent | readonly XmlContent[];
}

export function xmlDocument(root: string, content: XmlElements, namespace?: string): string {
  const attribute = namespace === undefined ? '' : ` xmlns="${namespace}"`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${root}${attribute}>${textOf(content)}</${root}>`;
}

function textOf(content: Exclude<XmlContent, undefined>): string {
  if (content instanceof Date) return content.toISOString();
  if (typeof content !== 'object') return escapeXml(String(content));
  return Object.entries(content)
    .flatMap(([name, value]) =>
      [value].flat().map((one) => (one === undefined ? '' : `<${name}>${textOf(one)}</${name}>`)),
    )
    .join('');
}

const ENTITIES: readonly (readonly [string, string])[] = [
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['"', '&quot;'],
  ['\r', '&#13;'],
];

function escapeXml(text: string): string {
  return ENTITIES.reduce((escaped, [character, entity]) => escaped.replaceAll(character, entity), text);
}

/** An element that was read: its text, and its children by name. */
export interface ReadElement {
  readonly text: string;
  readonly children: Readonly<Record<string, readonly ReadElement[]>>;
}

/** The root element's content. Attributes are passed over. Throws where elements are not nested. */
export function parseXml(document: string): ReadElement {
  type Open = { name: string; text: string; children: Record<string, ReadElement[]> };
  const open: Open[] = [{ name: '', text: '', children: {} }];
  for (const [, text, closing, name, selfClosing] of document
    .replace(/<\?.*?\?>/s, '')
    .matchAll(/([^<]*)<(\/?)([\w:]+)[^>]*?(\/?)>/g)) {
    open.at(-1)!.text += unescapeXml(text);
    if (closing === '') open.push({ name, text: '', children: {} });
    if (closing === '' && selfClosing === '') continue;
    const { name: opened, ...element } = open.pop()!;
    if (opened !== name || open.length === 0) throw new Error(`</${name}> closes <${opened}>`);
    (open.at(-1)!.children[name] ??= []).push(element);
  }
  const [root] = Object.values(open[0].children);
  if (open.length !== 1 || root === undefined) throw new Error('the document ends within an element');
  return root[0];
}

function unescapeXml(text: string): string {
  return text.replace(/&(?:#x([\da-f]+)|#(\d+)|(\w+));/gi, (entity, hexadecimal?: string, decimal?: string) => {
    if (hexadecimal !== undefined) return String.fromCodePoint(parseInt(hexadecimal, 16));
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal));
    return entity === '&apos;' ? "'" : ENTITIES.find(([, known]) => known === entity)![0];
  });
}
