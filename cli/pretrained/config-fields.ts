/** Typed access to an untrusted config.json. Every error names the file, the field, what was expected and what came. */
import { assumedProblemType, PROBLEM_TYPES, type ProblemType } from '../../runtime/artifact/problem-type.ts';
import { UserError } from '../io/errors.ts';
import type { ModelConfig } from './architecture.ts';

/**
 * No real model comes near these; a config beyond them is a mistake or an attack, refused before memory is asked for.
 */
const MAX_COUNT = 1 << 20;
const MAX_LABELS = 100_000;
/** Every layer has its entries in the layer table: a lie here would fill the memory before a tensor is looked for. */
export const MAX_LAYERS = 1000;

/** Readers of fields by name; `otherwise` stands for one that is absent or null. Each throws UserError. */
export interface ConfigFields {
  text(field: string, otherwise: string): string;
  flag(field: string, otherwise: boolean): boolean;
  number(field: string, otherwise: number): number;
  /** A whole number from 1 to `most`. */
  count(field: string, otherwise: number, most?: number): number;
  /** One number for a square, or [height, width]. */
  size(field: string, otherwise: number): { height: number; width: number };
  /** id2label in order, or num_labels made-up names. */
  labels(): string[];
  /** problem_type; where it is absent, what transformers assumes of a head with so many labels. */
  problemType(): ProblemType;
  /** The names in `architectures`; none where the field is absent. */
  architectures(): readonly string[];
}

/** Labels, and what the logits mean, as a config.json has them. */
export function headFields({ labels, problemType }: ModelConfig): Record<string, unknown> {
  return {
    problem_type: problemType,
    id2label: Object.fromEntries(labels.map((label, i) => [String(i), label])),
    label2id: Object.fromEntries(labels.map((label, i) => [label, i])),
  };
}

/** Readers of a parsed config.json; `path` is what errors call it. @throws UserError where it is no object */
export function readConfigFields(json: unknown, path: string): ConfigFields {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new UserError(`${path}: expected a JSON object`);
  const fields = json as Readonly<Record<string, unknown>>;
  const wrong = (field: string, expected: string, got: unknown): UserError =>
    new UserError(`${path}: expected ${field} to be ${expected}, got ${JSON.stringify(got)}`);

  function asCount(value: unknown, field: string, most = MAX_COUNT): number {
    if (!Number.isInteger(value) || (value as number) < 1 || (value as number) > most) {
      throw wrong(field, `a whole number from 1 to ${most}`, value);
    }
    return value as number;
  }

  function readLabels(): string[] {
    const id2label = fields.id2label;
    if (id2label === undefined || id2label === null) {
      const count = asCount(fields.num_labels ?? 2, 'num_labels');
      if (count > MAX_LABELS) throw wrong('num_labels', `at most ${MAX_LABELS}`, count);
      return Array.from({ length: count }, (_, i) => `LABEL_${i}`);
    }
    if (typeof id2label !== 'object' || Array.isArray(id2label)) throw wrong('id2label', 'an object', id2label);
    const entries = new Map(Object.entries(id2label));
    if (entries.size === 0 || entries.size > MAX_LABELS)
      throw wrong('id2label', `1 to ${MAX_LABELS} labels`, `${entries.size} labels`);
    return Array.from({ length: entries.size }, (_, i) => {
      const label = entries.get(String(i));
      if (typeof label !== 'string') throw wrong(`id2label["${i}"]`, 'a string', label);
      return label;
    });
  }

  function readProblemType(): ProblemType {
    const count = readLabels().length;
    const value = fields.problem_type ?? assumedProblemType(count);
    const known = PROBLEM_TYPES.find((name) => name === value);
    if (known === undefined) throw wrong('problem_type', PROBLEM_TYPES.join(', '), value);
    if (known === 'single_label_classification' && count === 1)
      throw new UserError(
        `${path}: problem_type single_label_classification with one label: there is nothing to tell apart`,
        'A single output is a number (regression) or one yes or no (multi_label_classification): say which there.',
      );
    return known;
  }

  return {
    labels: readLabels,
    problemType: readProblemType,
    text(field, otherwise) {
      const value = fields[field] ?? otherwise;
      if (typeof value !== 'string') throw wrong(field, 'a string', value);
      return value;
    },
    flag(field, otherwise) {
      const value = fields[field] ?? otherwise;
      if (typeof value !== 'boolean') throw wrong(field, 'true or false', value);
      return value;
    },
    number(field, otherwise) {
      const value = fields[field] ?? otherwise;
      if (typeof value !== 'number' || !Number.isFinite(value) || value < 0)
        throw wrong(field, 'a number of at least 0', value);
      return value;
    },
    count: (field, otherwise, most) => asCount(fields[field] ?? otherwise, field, most),
    size(field, otherwise) {
      const value = fields[field] ?? otherwise;
      if (!Array.isArray(value)) return { height: asCount(value, field), width: asCount(value, field) };
      if (value.length !== 2) throw wrong(field, 'one number or two', value);
      return { height: asCount(value[0], field), width: asCount(value[1], field) };
    },
    architectures() {
      const value = fields.architectures ?? [];
      if (!Array.isArray(value) || value.some((name) => typeof name !== 'string'))
        throw wrong('architectures', 'a list of names', value);
      return value;
    },
  };
}
