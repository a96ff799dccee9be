// The README's two plots of results.json, for light and for dark pages: npm run plots. Writes beside itself, or into the
// folder that is given. Vega lays them out without a browser and without measuring fonts, so that the same results
// give the same bytes everywhere.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse, View } from 'vega';
import { compile } from 'vega-lite';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const { accuracy, latency } = JSON.parse(readFileSync(join(HERE, 'results.json'), 'utf8'));

/** As wide as two beside each other have room for on GitHub. */
const WIDTH = 410;
const HEIGHT = 290;
const FONT = "-apple-system, BlinkMacSystemFont, 'Segoe UI', 'Noto Sans', Helvetica, Arial, sans-serif";

/** GitHub's own inks; blue and orange, which all kinds of colour blindness tell apart. */
const THEMES = {
  light: { ink: '#1f2328', quiet: '#59636e', rule: '#d1d9e0', blue: '#0969da', orange: '#bc4c00', bar: '#aeb8c2' },
  dark: { ink: '#f0f6fc', quiet: '#9198a1', rule: '#3d444d', blue: '#4493f8', orange: '#f0883e', bar: '#656c76' },
};

const rankName = (rank) => (rank === null ? 'dense' : `r = ${rank}`);

/** Accuracy against the size of the file, in kilobytes on a logarithmic scale. */
function accuracyPlot({ ink, quiet, blue, orange }) {
  const one = (rank, precision) => accuracy.find((row) => row.rank === rank && row.precision === precision);
  const [dense, small] = [one(null, 'int8'), one(32, 'int8')];
  const colour = { scale: { domain: ['int8', 'f32'], range: [blue, orange] }, legend: null };
  const rows = accuracy.map(({ rank, precision, accuracyPercent, fileKb }) => ({
    name: rankName(rank),
    order: rank ?? 1000,
    precision,
    accuracyPercent,
    fileKb,
  }));
  const x = {
    field: 'fileKb',
    type: 'quantitative',
    scale: { type: 'log', domain: [75, 3000], nice: false },
    axis: {
      values: [100, 200, 500, 1000, 2000],
      labelExpr: "datum.value < 1000 ? datum.value + ' kB' : datum.value / 1000 + ' MB'",
      title: null,
      labelOverlap: false,
    },
  };
  const y = {
    field: 'accuracyPercent',
    type: 'quantitative',
    scale: { domain: [63.5, 77], nice: false },
    axis: { values: [65, 70, 75], labelExpr: "datum.value + ' %'", title: null },
  };
  const point = { x, y, color: { field: 'precision', type: 'nominal', ...colour } };
  const label = (filter, { own = false, ...mark }, text = { field: 'name' }) => ({
    transform: [{ filter }],
    mark: { type: 'text', ...mark },
    encoding: { x, y, text, color: own ? point.color : { value: ink } },
  });
  return {
    title: {
      text: `Int8, and ${(dense.fileKb / small.fileKb).toFixed(1)} times smaller again`,
      subtitle: 'Accuracy by size of the file: a ViT on CIFAR-10',
    },
    data: { values: rows },
    layer: [
      {
        mark: { type: 'line', strokeWidth: 2 },
        encoding: { ...point, order: { field: 'order', type: 'quantitative' } },
      },
      { mark: { type: 'point', filled: true, size: 64, opacity: 1 }, encoding: point },
      label("datum.precision === 'int8' && datum.order < 20", { align: 'right', dx: -9, dy: -4 }),
      label("datum.precision === 'f32' && datum.order === 8", { align: 'left', dx: 9, dy: -4 }),
      label("datum.precision === 'f32' && datum.order === 16", { align: 'left', dx: 9, dy: 7 }),
      label('datum.order > 20', { align: 'center', dy: -14 }),
      label('datum.order === 8', { align: 'center', dy: 23, own: true, fontWeight: 600 }, { field: 'precision' }),
    ],
    config: { axisX: { grid: false }, axis: { labelColor: quiet } },
  };
}

/** Bars under their names, the engine of this project in colour. */
function latencyPlot({ ink, quiet, blue, bar }) {
  const shown = [
    ['Slim', 32, 'int8', 'Slim, int8, r = 32 (WebAssembly)'],
    ['onnxruntime-node', 32, 'int8', 'onnxruntime-node, int8, r = 32'],
    ['onnxruntime-node', null, 'int8', 'onnxruntime-node, int8, dense'],
    ['onnxruntime-web', 32, 'f32', 'onnxruntime-web, f32, r = 32 (WebAssembly)'],
    ['onnxruntime-node', null, 'f32', 'onnxruntime-node, f32, dense'],
  ];
  const rows = shown.map(([engine, rank, precision, name], order) => {
    const row = latency.find(
      (one) =>
        one.what.startsWith('ViT-B/16') &&
        one.node !== '20' &&
        one.engine === engine &&
        one.rank === rank &&
        one.precision === precision,
    );
    return { name, order, ms: row.medianMs, ours: engine === 'Slim' };
  });
  const y = { field: 'order', type: 'ordinal', scale: { paddingInner: 0, paddingOuter: 0 }, axis: null };
  const x = { field: 'ms', type: 'quantitative', scale: { domain: [0, 440], nice: false }, axis: null };
  return {
    title: { text: 'Close to native speed, in WebAssembly', subtitle: 'Milliseconds a picture: ViT-B/16, one thread' },
    data: { values: rows },
    encoding: { y },
    layer: [
      {
        mark: { type: 'bar', height: 13, yOffset: 8, cornerRadiusEnd: 2 },
        encoding: { x, color: { condition: { test: 'datum.ours', value: blue }, value: bar } },
      },
      {
        mark: { type: 'text', align: 'left', dx: 6, yOffset: 8, fontWeight: 600 },
        encoding: {
          x,
          text: { field: 'ms', type: 'quantitative', format: '.0f' },
          color: { condition: { test: 'datum.ours', value: blue }, value: ink },
        },
      },
      {
        mark: { type: 'text', align: 'left', yOffset: -9 },
        encoding: {
          x: { value: 0 },
          text: { field: 'name' },
          color: { condition: { test: 'datum.ours', value: ink }, value: quiet },
        },
      },
    ],
    config: {},
  };
}

const PLOTS = {
  accuracy: {
    plot: accuracyPlot,
    title: 'Accuracy against the size of the file, a ViT on CIFAR-10',
    description: () =>
      accuracy
        .map(
          ({ rank, precision, fileKb, accuracyPercent }) =>
            `${rankName(rank)} ${precision}: ${fileKb} kB, ${accuracyPercent} %`,
        )
        .join('; '),
  },
  latency: {
    plot: latencyPlot,
    title: 'Milliseconds a picture of ViT-B/16 on one thread',
    description: (spec) => spec.data.values.map(({ name, ms }) => `${name}: ${ms} ms`).join('; '),
  },
};

/** What both plots look like. */
function styled(spec, { ink, quiet, rule }) {
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    width: WIDTH,
    height: HEIGHT,
    padding: { left: 2, right: 2, top: 4, bottom: 4 },
    autosize: { type: 'fit', contains: 'padding' },
    background: null,
    ...spec,
    config: {
      ...spec.config,
      aria: false,
      font: FONT,
      view: { stroke: null },
      title: {
        anchor: 'start',
        frame: 'bounds',
        color: ink,
        subtitleColor: quiet,
        fontSize: 15,
        fontWeight: 600,
        subtitleFontSize: 12,
        subtitlePadding: 5,
        offset: 14,
      },
      text: { fontSize: 12, baseline: 'middle' },
      axis: { labelFontSize: 12, labelColor: quiet, domain: false, ticks: false, gridColor: rule, labelPadding: 6 },
    },
  };
}

async function svgOf({ plot, title, description }, theme) {
  const spec = plot(theme);
  const svg = await new View(parse(compile(styled(spec, theme)).spec), { renderer: 'none' }).toSVG();
  const words = `<title>${escaped(title)}</title><desc>${escaped(description(spec))}</desc>`;
  // Screen readers get a title and a description instead of every mark.
  const plain = svg.replace(/ (?:role|class|aria-[a-z]+)="[^"]*"/g, '').replace(/<path[^>]* display="none"\/>/g, '');
  return `${plain.replace(/^<svg ([^>]*)>/, `<svg role="img" $1>${words}`)}\n`;
}

const escaped = (text) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;');

const folder = process.argv[2] ?? HERE;
for (const [name, plot] of Object.entries(PLOTS))
  for (const [theme, colours] of Object.entries(THEMES))
    writeFileSync(join(folder, `${name}-${theme}.svg`), await svgOf(plot, colours));
