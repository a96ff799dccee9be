/** Reads tables of a page of ours. */

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', amp: '&', '#39': "'" };

/** A piece of HTML as a reader sees it. */
export function textOf(html: string): string {
  return html
    .replace(/<small>/g, ' | ')
    .replace(/<[^>]*>/g, '')
    .replace(/&(\w+|#\d+);/g, (whole, name: string) => ENTITIES[name] ?? whole)
    .trim();
}

/** The rows of the table in the region of that name, its header first. @throws where there is none */
export function tableIn(page: string, region: string): string[][] {
  const begin = page.indexOf(`aria-label="${region}"`);
  if (begin < 0) throw new Error(`no region ${region}`);
  const table = /<table[\s\S]*?<\/table>/.exec(page.slice(begin))![0];
  return [...table.matchAll(/<tr>([\s\S]*?)<\/tr>/g)].map(([, row]) =>
    [...row.matchAll(/<t[hd][^>]*>([\s\S]*?)<\/t[hd]>/g)].map(([, cell]) => textOf(cell)),
  );
}
