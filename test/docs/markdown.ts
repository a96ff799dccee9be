/** What a Markdown file shows and names: fenced blocks, code in its text, links, and the anchors of its headings. */

export interface Fence {
  /** The first word after the backticks: `sh` of `sh measure`; empty where there is none. */
  readonly language: string;
  /** What comes after it. */
  readonly mark: string;
  /** Without the fences' own indentation. */
  readonly code: string;
  /** Of the fence that opens it, from 1. */
  readonly line: number;
}

/** A piece of a file's text. */
export interface Piece {
  readonly text: string;
  readonly line: number;
}

export interface Markdown {
  readonly fences: readonly Fence[];
  /** `code` within the text, without its backticks, on one line. */
  readonly spans: readonly Piece[];
  /** Targets, as written: `](target)`, `[name]: target` and those of HTML's src, srcset and href. */
  readonly links: readonly Piece[];
  /** As GitHub makes them of headings. */
  readonly anchors: ReadonlySet<string>;
}

/** Takes a file apart. Throws where a fence is never closed. */
export function readMarkdown(text: string): Markdown {
  const { fences, prose } = splitFences(text);
  const { spans, rest } = splitSpans(prose);
  return { fences, spans, links: linksIn(rest), anchors: anchorsIn(prose) };
}

/** The fenced blocks, and the text with empty lines in their place. */
function splitFences(text: string): { fences: Fence[]; prose: string } {
  const fences: Fence[] = [];
  const prose: string[] = [];
  let open: { indent: string; fence: string; info: string; line: number; code: string[] } | null = null;
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const [, indent, fence, info] = /^(\s*)(`{3,}|~{3,})(.*)$/.exec(line) ?? [];
    if (open === null) {
      if (fence !== undefined) open = { indent, fence, info: info.trim(), line: index + 1, code: [] };
      prose.push(fence === undefined ? line : '');
      continue;
    }
    prose.push('');
    if (fence?.startsWith(open.fence) && info.trim() === '') {
      const [language = '', ...mark] = open.info.split(/\s+/);
      fences.push({ language, mark: mark.join(' '), code: open.code.join('\n'), line: open.line });
      open = null;
    } else open.code.push(line.startsWith(open.indent) ? line.slice(open.indent.length) : line.trimStart());
  }
  if (open !== null) throw new Error(`line ${open.line}: the fence is never closed`);
  return { fences, prose: prose.join('\n') };
}

/** Code within paragraphs, and the text with letters in its place, so that links in code are none. */
function splitSpans(prose: string): { spans: Piece[]; rest: string } {
  const spans: Piece[] = [];
  const rest = prose.replace(
    /(`+)((?:[^`\n]|\n(?!\s*\n)|(?!\1)`)+)\1(?!`)/g,
    (all, _ticks, code: string, at: number) => {
      spans.push({ text: code.trim().replace(/\s+/g, ' '), line: lineAt(prose, at) });
      return all.replace(/[^\n]/g, 'x');
    },
  );
  return { spans, rest };
}

function linksIn(text: string): Piece[] {
  const patterns = [
    /\]\(\s*<?([^)\s>]+)>?(?:\s+["'][^)]*)?\)/g,
    /^ {0,3}\[[^\]]+\]:\s+<?(\S+?)>?(?:\s|$)/gm,
    /\b(?:src|srcset|href)="([^"\s]+)"/g,
  ];
  return patterns.flatMap((pattern) =>
    [...text.matchAll(pattern)].map((match) => ({ text: match[1], line: lineAt(text, match.index) })),
  );
}

function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}

/** https://github.com/gjtorikian/html-pipeline: small letters, no punctuation, hyphens; a second one of a name gets -1. */
function anchorsIn(prose: string): Set<string> {
  const anchors = new Set([...prose.matchAll(/\b(?:id|name)="([^"]+)"/g)].map(([, id]) => id));
  const seen = new Map<string, number>();
  for (const [, heading] of prose.matchAll(/^ {0,3}#{1,6}\s+(.+?)\s*#*\s*$/gm)) {
    const shown = heading.replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1');
    const slug = shown
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replace(/\s/g, '-');
    const count = seen.get(slug) ?? 0;
    seen.set(slug, count + 1);
    anchors.add(count === 0 ? slug : `${slug}-${count}`);
  }
  return anchors;
}
