/** How the page looks: light, dark, on a phone and on paper. Colours are those of the served page. */

/** The style sheet. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --ground: #f5f4f0; --pane: #fff; --ink: #1d1c1a; --quiet: #625f58; --line: #dedbd3;
  --accent: #0b6e5f; --heat-colour: #6bb3a4; --wrong: #d98a7a; --look: #e8703a; --shade: #0003;
  --c0: #0b6e5f; --c1: #b4540a; --c2: #3b5bbd; --c3: #8a3f9f; --c4: #a8323e; --c5: #0f7291; --c6: #75650a; --c7: #5d5a55;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #131513; --pane: #1c1f1c; --ink: #eceae4; --quiet: #a8a59c; --line: #333732;
    --accent: #63cfb7; --heat-colour: #2f7d70; --wrong: #8f3b2c; --look: #c8501e; --shade: #fff3;
    --c0: #63cfb7; --c1: #f0a15e; --c2: #8fb0ff; --c3: #cf9be6; --c4: #ff9a94; --c5: #6cc6ea; --c6: #d6c45a; --c7: #b5b1a8;
  }
}
* { box-sizing: border-box; margin: 0; }
body {
  max-width: 74rem; margin-inline: auto; padding: clamp(1rem, 4vw, 2.5rem);
  background: var(--ground); color: var(--ink);
  font: 1rem / 1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums; overflow-wrap: anywhere;
}
h1 { font-size: clamp(1.6rem, 5vw, 2.4rem); line-height: 1.15; letter-spacing: -0.02em; text-wrap: balance; }
h2 { margin-bottom: 0.9rem; font-size: 1.3rem; line-height: 1.25; letter-spacing: -0.01em; }
h3, caption { font-size: 1rem; font-weight: 600; text-align: start; }
.beside h3, .most { margin: 1rem 0 0.4rem; font-size: 0.875rem; color: var(--quiet); }
header { margin-bottom: clamp(1.5rem, 4vw, 2.25rem); }
header p { margin-top: 0.4rem; color: var(--quiet); }
section { margin-bottom: clamp(2rem, 5vw, 3rem); }
article + article { margin-top: 2rem; }
.quiet, small { color: var(--quiet); font-size: 0.875rem; }
section > .quiet { margin-block: 0.6rem; max-width: 46rem; }
small { display: block; font-size: 0.8125rem; line-height: 1.3; }
.unseen { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
footer { color: var(--quiet); font-size: 0.875rem; }

/* Numbers that matter most */
.tiles {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 10.5rem), 1fr)); gap: 0.75rem;
  margin-bottom: 1.25rem;
}
.tile { padding: 0.9rem 1.1rem; border: 1px solid var(--line); border-radius: 0.875rem; background: var(--pane); }
.tile dt { font-size: 0.875rem; color: var(--quiet); }
.tile dd { font-size: 1.5rem; font-weight: 600; line-height: 1.3; letter-spacing: -0.01em; }
.tile dd.quiet { font-size: 0.8125rem; font-weight: 400; letter-spacing: 0; }

/* Tables */
.scroll { overflow-x: auto; max-width: 100%; }
table { border-collapse: collapse; }
#result ~ .scroll > table { min-width: min(100%, 44rem); }
caption { padding-block: 0.4rem; }
th, td { padding: 0.4rem 0.9rem 0.4rem 0; text-align: end; vertical-align: top; overflow-wrap: normal; }
th:first-child { text-align: start; font-weight: 400; overflow-wrap: anywhere; min-width: 5rem; }
th:last-child, td:last-child { padding-inline-end: 0; }
td { white-space: nowrap; }
thead th, thead th:first-child { color: var(--quiet); font-size: 0.875rem; font-weight: 500; vertical-align: bottom; white-space: nowrap; }
tbody tr { border-top: 1px solid var(--line); }
tbody th[scope="row"] { font-weight: 500; }
.map th, .map td { padding: 0.3rem 0.6rem; text-align: center; }
.map tbody tr { border: 0; }
.map th:first-child { min-width: 0; white-space: nowrap; padding-inline-start: 0; text-align: start; }
.map caption { font-size: 0.875rem; color: var(--quiet); font-weight: 500; }
.heat {
  border: 2px solid var(--ground); border-radius: 6px;
  background: color-mix(in srgb, var(--heat-colour) calc(var(--heat) * 0.85), var(--pane));
}

@media (max-width: 40rem) {
  th, td { padding-inline-end: 0.45rem; font-size: 0.8125rem; }
  thead th, thead th:first-child { font-size: 0.75rem; }
  th:first-child { min-width: 4.25rem; }
  small { font-size: 0.6875rem; }
}

/* Right and wrong */
.beside { display: flex; flex-wrap: wrap; gap: 0.5rem 3rem; }
.beside > div { min-width: 0; max-width: 100%; }
.wrong { --heat-colour: var(--wrong); }
.subject > summary { font-size: 1rem; font-weight: 600; color: var(--ink); }
ol { padding: 0; list-style: none; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(6.5rem, 1fr)); gap: 1rem; max-width: 62rem; }
.gallery li, .quotes li { min-width: 0; font-size: 0.875rem; line-height: 1.35; }
.gallery img { display: block; width: 100%; height: 6.5rem; margin-bottom: 0.4rem; border-radius: 4px; object-fit: cover; }
.pixels { image-rendering: pixelated; }
.quotes small { display: inline; margin-inline-start: 0.5rem; }
.quotes { display: grid; gap: 0.9rem; max-width: 46rem; }
.quotes li { padding-inline-start: 0.9rem; border-inline-start: 3px solid var(--line); }
blockquote { margin-bottom: 0.15rem; font-size: 1rem; }

/* Where they look */
.looks { display: grid; gap: 1.25rem; }
.looks article { display: flex; flex-wrap: wrap; align-items: start; gap: 0.75rem 1.25rem; margin: 0; }
.looks .model { display: grid; grid-template-columns: repeat(2, 6.5rem); gap: 0.25rem 0.5rem; }
.looks .model > p, .looks .model > h3 {
  grid-column: 1 / -1; min-height: 2.45rem; font-size: 0.875rem; line-height: 1.3; font-weight: 600;
}
.texts .model > p { min-height: 0; }
.looks .model small { font-weight: 400; }
.looks figure > img, .veiled { display: block; position: relative; width: 6.5rem; }
.looks img { display: block; width: 100%; border-radius: 4px; }
.veiled img + img { position: absolute; inset: 0; height: 100%; }
.looks .model:first-child { grid-template-columns: 6.5rem; }
.looks figcaption { font-size: 0.75rem; letter-spacing: -0.01em; white-space: nowrap; color: var(--quiet); }
.texts article, .texts .model { display: block; }
.texts .model { margin-top: 0.9rem; }
.texts .model small { display: inline; margin-inline-start: 0.6rem; }
.texts figure { max-width: 46rem; margin-top: 0.4rem; }
.word {
  padding: 0.05rem 0.15rem; border-radius: 4px; line-height: 1.75;
  background: color-mix(in srgb, var(--look) calc(var(--heat) * 0.45), transparent);
}

/* Charts */
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 20.5rem), 1fr)); gap: 1rem; }
.chart { padding: 0.9rem 0.9rem 0.4rem; border: 1px solid var(--line); border-radius: 0.875rem; background: var(--pane); min-width: 0; }
.chart h3 { font-size: 0.9375rem; }
.chart svg { display: block; width: 100%; height: auto; margin-top: 0.25rem; overflow: visible; }
.legend {
  display: flex; flex-wrap: wrap; gap: 0.1rem 0.9rem; padding: 0; list-style: none;
  font-size: 0.8125rem; color: var(--quiet);
}
.swatch {
  display: inline-block; width: 0.75rem; height: 0.2rem; margin-inline-end: 0.35rem; border-radius: 1px;
  background: var(--c); vertical-align: 0.2em;
}
svg text { fill: var(--quiet); font: 11px system-ui, sans-serif; font-variant-numeric: tabular-nums; }
svg .note { fill: var(--ink); stroke: var(--pane); stroke-width: 3px; paint-order: stroke; }
svg .name { fill: var(--ink); font-weight: 600; }
.axis path { stroke: var(--line); }
.line { fill: none; stroke: var(--c); stroke-width: 1.75; stroke-linejoin: round; stroke-linecap: round; }
.line.pale { stroke-width: 1; opacity: 0.35; }
.rule { fill: none; stroke: var(--c); stroke-dasharray: 3 3; }
circle { fill: var(--c); stroke: var(--pane); stroke-width: 1.5; }
.c0 { --c: var(--c0); } .c1 { --c: var(--c1); } .c2 { --c: var(--c2); } .c3 { --c: var(--c3); }
.c4 { --c: var(--c4); } .c5 { --c: var(--c5); } .c6 { --c: var(--c6); } .c7 { --c: var(--c7); }

/* What is folded away */
summary {
  width: fit-content; min-width: 2.75rem; min-height: 2.75rem; padding-block: 0.6rem;
  color: var(--quiet); font-size: 0.875rem; cursor: pointer;
}
.chart summary { font-size: 0.8125rem; }
.chart .scroll { max-height: 16rem; overflow-y: auto; margin-bottom: 0.5rem; font-size: 0.8125rem; }

/* How it was made */
.words { margin-bottom: 0.9rem; }
.words th, .words td { text-align: start; }
.words th:first-child { min-width: 7rem; overflow-wrap: normal; }
.words td { max-width: 22rem; min-width: 9rem; white-space: normal; overflow-wrap: anywhere; }
.facts { display: grid; gap: 0.3rem; margin-block: 0.5rem 0.9rem; }
.facts > div { display: grid; grid-template-columns: minmax(0, 7.5rem) minmax(0, 1fr); gap: 0.75rem; }
dt { color: var(--quiet); }
pre {
  padding: 0.9rem 1.1rem; border: 1px solid var(--line); border-radius: 0.875rem; background: var(--pane);
  overflow-x: auto; overflow-wrap: normal; font: 0.8125rem / 1.6 ui-monospace, monospace;
}
code { font-family: ui-monospace, monospace; font-size: 0.8125rem; }

@media screen and (max-width: 40rem) {
  /* A shadow at a side where there is more: covers, which scroll with the content, hide it at the ends. */
  .scroll, pre {
    background:
      linear-gradient(to right, var(--cover) 1rem, transparent) left / 2.5rem 100% no-repeat local,
      linear-gradient(to left, var(--cover) 1rem, transparent) right / 2.5rem 100% no-repeat local,
      linear-gradient(to right, var(--shade), transparent) left / 0.8rem 100% no-repeat scroll,
      linear-gradient(to left, var(--shade), transparent) right / 0.8rem 100% no-repeat scroll,
      var(--cover);
  }
  .scroll { --cover: var(--ground); }
  .chart .scroll, pre { --cover: var(--pane); }
}

@media print {
  :root { --ground: #fff; --pane: #fff; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  * { print-color-adjust: exact; }
  .chart, .tile, tr, article > h3, figure { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  summary, .chart details { display: none; }
  pre { white-space: pre-wrap; }
}
`;
