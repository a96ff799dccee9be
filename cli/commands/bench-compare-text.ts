/** What `slim bench compare` tells people: a few tables with the same rows. */
import { scoreOf } from '../../runtime/artifact/problem-type.ts';
import { type Compared, shapeName } from '../bench/compare/compare.ts';
import type { Machine } from '../bench/compare/machine.ts';
import type { LeftOut } from '../bench/compare/peers.ts';
import type { Prices } from '../bench/compare/prices.ts';
import { formatBytes, formatMacs, grouped, percent } from '../io/units.ts';
import { metricName, scoreValue } from '../train/score.ts';
import { table } from './result.ts';

/** What there is to tell. */
export interface CompareReport {
  readonly model: string;
  readonly data: string;
  readonly samples: number;
  readonly machine: Machine;
  readonly warning: string | null;
  readonly prices: Prices;
  readonly compared: readonly Compared[];
  readonly leftOut: readonly LeftOut[];
}

/** A column: its head, the value that is compared, and how it is shown. */
interface Column {
  readonly head: string;
  value(peer: Compared): number | null;
  shown(value: number, peer: Compared): string;
  /** Which values are good; nothing has a star unless given. */
  readonly best?: 'least' | 'most';
}

const ms = (value: number): string => value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
const dollars = (value: number): string => value.toFixed(3);

/** All tables, with a star for the best of each column. */
export function compareText({
  model,
  data,
  samples,
  machine,
  warning,
  prices,
  compared,
  leftOut,
}: CompareReport): string {
  const { cpu, cores, node, system, loadAverage } = machine;
  const tables = [qualityColumns(compared), runColumns(compared), latencyColumns(compared), priceColumns(prices)];
  return [
    `${model} on ${grouped(samples)} samples of ${data}; ${cores} × ${cpu}, Node ${node}, ${system}, load ${loadAverage.toFixed(2)}`,
    ...(warning === null ? [] : [`warning: ${warning}`]),
    ...tables.flatMap((columns) => ['', tableOf(columns, compared)]),
    '',
    `* best of its column; latency in ms: median, p95, p99, median absolute deviation; dollars by prices of ${prices.date}`,
    ...leftOut.map(({ name, why }) => `left out: ${name}: ${why}`),
  ].join('\n');
}

function tableOf(columns: readonly Column[], compared: readonly Compared[]): string {
  const cells = columns.map(({ head, value, shown, best }) => {
    const values = compared.map(value);
    const there = values.filter((one) => one !== null);
    const winner = best === undefined || compared.length < 2 ? null : Math[best === 'least' ? 'min' : 'max'](...there);
    const cell = (one: number | null, i: number): string =>
      one === null ? '-' : `${shown(one, compared[i])}${best === undefined ? '' : one === winner ? '*' : ' '}`;
    return [best === undefined ? head : `${head} `, ...values.map(cell)];
  });
  const rows = ['', ...compared.map(({ name }) => name)];
  return table(rows.map((name, i) => [name, ...cells.map((column) => column[i])]));
}

function qualityColumns(compared: readonly Compared[]): Column[] {
  const name = metricName(compared[0].score);
  return [
    {
      head: name,
      value: ({ score }) => scoreOf(score).value,
      shown: (_, { score }) => scoreValue(score),
      best: 'most',
    },
    { head: 'as slim', value: ({ likeness }) => likeness?.sameAnswers ?? null, shown: (value) => percent(value) },
    {
      head: 'logits',
      value: ({ likeness }) => likeness?.largestLogitDifference ?? null,
      shown: (value) => `±${value.toPrecision(2)}`,
    },
    {
      head: 'scores',
      value: ({ likeness }) => likeness?.largestScoreDifference ?? null,
      shown: (value) => `±${value.toPrecision(2)}`,
    },
    { head: 'parameters', value: ({ parameters }) => parameters, shown: grouped, best: 'least' },
    { head: 'MACs', value: ({ macs }) => macs, shown: formatMacs, best: 'least' },
    { head: 'model', value: ({ modelBytes }) => modelBytes, shown: formatBytes, best: 'least' },
    { head: 'to install', value: ({ installedBytes }) => installedBytes, shown: formatBytes, best: 'least' },
  ];
}

function runColumns([{ throughput }]: readonly Compared[]): Column[] {
  return [
    { head: 'load ms', value: ({ loadMs }) => loadMs, shown: ms, best: 'least' },
    { head: 'cold start', value: ({ coldMs }) => coldMs, shown: ms, best: 'least' },
    { head: 'memory', value: ({ residentBytes }) => residentBytes, shown: formatBytes, best: 'least' },
    { head: 'CPU ms', value: ({ cpuMs }) => cpuMs, shown: ms, best: 'least' },
    ...throughput.map(
      ({ threads }, i): Column => ({
        head: `${threads === 1 ? '1 thread' : `${threads} threads`}/s`,
        value: (peer) => peer.throughput[i].perSecond,
        shown: (value) => grouped(Math.round(value)),
        best: 'most',
      }),
    ),
  ];
}

function latencyColumns([{ latency }]: readonly Compared[]): Column[] {
  return latency.flatMap((shape, i): Column[] => {
    const of = (name: 'medianMs' | 'p95Ms' | 'p99Ms' | 'madMs') => (peer: Compared) => peer.latency[i][name];
    const median: Column = { head: shapeName(shape), value: of('medianMs'), shown: ms, best: 'least' };
    // Of the other lengths of texts the median says enough here; --json has all.
    if (i > 0 && shape.batch === 1) return [median];
    return [
      median,
      { head: 'p95', value: of('p95Ms'), shown: ms },
      { head: 'p99', value: of('p99Ms'), shown: ms },
      { head: 'MAD', value: of('madMs'), shown: ms },
    ];
  });
}

function priceColumns({ lambda: { memoryMb } }: Prices): Column[] {
  return [
    ...memoryMb.map(
      (memory, i): Column => ({
        head: `$/M ${memory} MB`,
        value: ({ dollarsPerMillion: { lambda } }) => lambda[i].arm,
        shown: (arm, { dollarsPerMillion: { lambda } }) => `${dollars(lambda[i].x86!)} | ${dollars(arm)}`,
        best: 'least',
      }),
    ),
    {
      head: 'Workers',
      value: ({ dollarsPerMillion: { workers } }) => workers,
      shown: dollars,
      best: 'least',
    },
  ];
}
