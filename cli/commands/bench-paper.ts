import type { Command } from 'commander';
import { addResultOptions, createCommand, resolveFlags } from '../args.ts';
import { HEADLINE_RANK, type PaperCount, type PaperRow, type PaperTable, paperTables } from '../bench/paper.ts';
import type { Io } from '../io/io.ts';
import { formatMacs, grouped, percent } from '../io/units.ts';
import { printResult, table } from './result.ts';

/** `slim bench paper`, which counts by walking graphs, as `slim bench cost`. */
export function paperCommand(io: Io): Command {
  const command = createCommand(
    'paper',
    "the paper's tables of parameters and MACs, by each way to count",
    `Counts ViT-B/16 (10 classes) and BERT-base (2 classes, texts of 512 and of 128 tokens), dense and at ranks 8 to 256,
beside what the paper's abstract says: the blocks alone and the whole model; with adapters of their own for query, key
and value, and with one A for the three, as --fuse-qkv trains it. 1 MAC = 2 FLOPs; matrix products only.`,
    ['slim bench paper', 'slim bench paper --json'],
  );
  addResultOptions(command);
  return command.action(async () => {
    const { json } = await resolveFlags<{ readonly json: boolean }>(command);
    const tables = paperTables();
    printResult(io, json, { headlineRank: HEADLINE_RANK, tables }, tables.map(textOf).join('\n\n'));
  });
}

function textOf(paper: PaperTable): string {
  const { name, tokens, dense, rows } = paper;
  const head = ['', 'blocks', '', 'fused', '', 'whole', '', 'fused', ''];
  const counts = (unit: 'parameters' | 'macs'): string =>
    table([
      [unit === 'macs' ? 'MACs' : unit, ...head.slice(1)],
      [
        'dense',
        ...(['blocks', 'blocks', 'whole', 'whole'] as const).flatMap((part) => [shown(unit, dense[part][unit]), '']),
      ],
      ...rows.map((row) => [`r = ${row.rank}`, ...cellsOf(row, unit)]),
    ]);
  return [
    tokens === null ? name : `${name}, ${tokens} tokens`,
    counts('parameters'),
    '',
    counts('macs'),
    '',
    ...explanation(paper),
  ].join('\n');
}

function cellsOf({ separate, fused }: PaperRow, unit: 'parameters' | 'macs'): string[] {
  return (['blocks', 'whole'] as const).flatMap((part) =>
    [separate, fused].flatMap(({ left, removed }) => [
      shown(unit, left[part][unit]),
      `-${percent(removed[part][unit])}`,
    ]),
  );
}

const shown = (unit: 'parameters' | 'macs', value: number): string =>
  unit === 'macs' ? formatMacs(value) : grouped(value);

/** Which way of counting the published shares fit, and how far the nearest is from them where none does. */
function explanation({ published, dense, rows, tokens, otherMacs }: PaperTable): string[] {
  const { separate, fused } = rows.find(({ rank }) => rank === HEADLINE_RANK)!;
  const ways = (of: PaperCount, how: string): Way[] => [
    { share: of.removed.blocks.parameters, what: `of the blocks${how}` },
    { share: of.removed.whole.parameters, what: `of the whole${how}` },
    { share: of.removedBlocksOfWhole, what: `what is left of the blocks beside the whole dense model${how}` },
  ];
  const parameters = [...ways(separate, ''), ...ways(fused, ', one A for query, key and value')];
  const macs = [
    { share: separate.removed.blocks.macs, what: 'of the blocks' },
    { share: separate.removed.whole.macs, what: 'of the whole' },
  ];
  return [
    `The paper's headline beside r = ${HEADLINE_RANK}:`,
    `- ${percent(published.parameters)} of the parameters: ${nearest(parameters, published.parameters)}`,
    `- ${percent(published.macs, 1)} of the FLOPs: ${nearest(macs, published.macs)}; ${otherWork(otherMacs / dense.whole.macs)}`,
    ...(tokens === null
      ? []
      : ['- the word table, which no adapter replaces, is most of what is left: --embedding-rank compresses it']),
  ];
}

/** A share that falls away, and of what. */
interface Way {
  readonly share: number;
  readonly what: string;
}

/** Half of the last digit that is shown. */
const SAME = 5e-5;

function nearest(ways: readonly Way[], published: number): string {
  const distance = ({ share }: Way): number => Math.abs(share - published);
  const [best] = [...ways].sort((a, b) => distance(a) - distance(b));
  if (distance(best) < SAME) return `the same as here, ${best.what}`;
  const points = (100 * distance(best)).toFixed(2);
  return `no way of counting here gives it; nearest is ${percent(best.share)} ${best.what}, ${points} points from it`;
}

/** Softmax, norms and activations are about so much of a model beside its products; texts of another length are more. */
const PLAUSIBLE_SHARE = 0.01;

function otherWork(share: number): string {
  return share >= 0 && share < PLAUSIBLE_SHARE
    ? `softmax, norms and activations, not counted here, would explain it with ${percent(share)} of the dense model's MACs`
    : 'it is of texts of another length';
}
