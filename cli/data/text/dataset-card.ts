/**
 * What the numbers of a column stand for, as a data set of the hub tells beside its tables: in the front matter of its
 * card, README.md, or in dataset_infos.json.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isObject } from '../../../runtime/artifact/schema.ts';
import { errorCode } from '../../io/files.ts';
import { unreadable } from './rows.ts';

/** The names of a column's numbers, in their order; null where none are told, or different ones. */
export type ClassNames = (column: string) => readonly string[] | null;

/** Reads what a folder tells. UserError where a file that is there can't be read. */
export async function classNamesBeside(folder: string): Promise<ClassNames> {
  const told = [
    ...cardNames((await textOf(join(folder, 'README.md'))) ?? ''),
    ...infoNames((await textOf(join(folder, 'dataset_infos.json'))) ?? ''),
  ];
  return (column) => {
    const found = told.filter((one) => one.column === column).map(({ names }) => names);
    const [first] = found;
    return first !== undefined && found.every((names) => names.join('\n') === first.join('\n')) ? first : null;
  };
}

interface Told {
  readonly column: string;
  readonly names: readonly string[];
}

async function textOf(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw unreadable(path, error);
  }
}

/**
 * Of a card: `- name: label`, below it `class_label:` and `names:`, below that lines such as `'0': negative`. That much
 * of YAML is read as its writer, Hugging Face datasets, writes it.
 */
export function cardNames(text: string): readonly Told[] {
  const matter = /^---\r?\n([\s\S]*?)\r?\n---/.exec(text)?.[1] ?? '';
  const told: { column: string; names: string[] }[] = [];
  let column: string | null = null;
  let names: string[] | null = null;
  let indent = 0;
  for (const line of matter.split(/\r?\n/)) {
    const depth = line.length - line.trimStart().length;
    const feature = /^\s*- name: (.+)$/.exec(line);
    const entry = /^\s*['"]?(\d+)['"]?: (.+)$/.exec(line);
    if (feature !== null) [column, names] = [scalar(feature[1]), null];
    else if (/^\s*names:\s*$/.test(line) && column !== null) {
      [names, indent] = [[], depth];
      told.push({ column, names });
    } else if (names !== null && entry !== null && depth > indent && Number(entry[1]) === names.length)
      names.push(scalar(entry[2]));
    else names = null;
  }
  return told.filter((one) => one.names.length > 0);
}

function scalar(text: string): string {
  const quoted = /^(['"])(.*)\1$/.exec(text.trim());
  return quoted === null ? text.trim() : quoted[2];
}

/** Of dataset_infos.json, which older data sets have: by configuration. */
function infoNames(text: string): readonly Told[] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // Absent, or another program's: numbers are labels as they are then.
    return [];
  }
  if (!isObject(json)) return [];
  return Object.values(json).flatMap((info) => {
    const features = isObject(info) && isObject(info.features) ? info.features : {};
    return Object.entries(features).flatMap(([column, feature]) => {
      const names = isObject(feature) ? feature.names : null;
      return Array.isArray(names) && names.every((name) => typeof name === 'string') ? [{ column, names }] : [];
    });
  });
}
