import { describe, expect, it } from 'vitest';
import { readMarkdown } from './markdown.ts';

const TEXT = `# One *and* \`two\`

See [the part](#one-and-two), [\`a file\`](cli/main.ts "its title") and \`[no](link)\`, run \`slim pack
runs/int8\` or \`\`a \` b\`\`.

<picture><source srcset="dark.svg"><img src="light.svg"></picture>

\`\`\`sh measure
slim bench cost \\
  --rank 4   # [no](link) either
\`\`\`

- in a list:

  ~~~~ts
  const a = \`x\`;
    ~~~
  ~~~~

## One and two

[ref]: other.md#part
\`\`\`
plain
\`\`\`
`;

describe('readMarkdown', () => {
  const { fences, spans, links, anchors } = readMarkdown(TEXT);

  it('finds fenced blocks, with what they are marked as and where they stand', () => {
    expect(fences).toEqual([
      { language: 'sh', mark: 'measure', code: 'slim bench cost \\\n  --rank 4   # [no](link) either', line: 8 },
      { language: 'ts', mark: '', code: 'const a = `x`;\n  ~~~', line: 15 },
      { language: '', mark: '', code: 'plain', line: 23 },
    ]);
  });

  it('finds code in the text, over the end of a line too', () => {
    expect(spans.map(({ text, line }) => `${line} ${text}`)).toEqual([
      '1 two',
      '3 a file',
      '3 [no](link)',
      '3 slim pack runs/int8',
      '4 a ` b',
    ]);
  });

  it('finds links, but not in code', () => {
    expect(links.map(({ text, line }) => `${line} ${text}`)).toEqual([
      '3 #one-and-two',
      '3 cli/main.ts',
      '22 other.md#part',
      '6 dark.svg',
      '6 light.svg',
    ]);
  });

  it('names headings as GitHub does', () => {
    expect([...anchors]).toEqual(['one-and-two', 'one-and-two-1']);
    expect([...readMarkdown("## What's new: `--rank`, 2 × faster\n### [Link](a.md) **x**").anchors]).toEqual([
      'whats-new---rank-2--faster',
      'link-x',
    ]);
  });

  it('refuses a fence that is never closed', () => {
    expect(() => readMarkdown('\n```sh\nslim\n')).toThrow('line 2: the fence is never closed');
  });
});
