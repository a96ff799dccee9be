import type { ModelInfo } from '../http/classifier.ts';
import type { TextInput } from '../http/text-input.ts';

/** An encoded picture, or a text. A classifier takes of them what its input reader makes. */
export type ModelInput = Uint8Array | TextInput;

/** @throws TypeError where the input is not of the model's kind, RangeError where `topK` is no number of labels. */
export function expectInput(input: ModelInput, topK: number, { task }: Pick<ModelInfo, 'task'>): void {
  const isPicture = input instanceof Uint8Array;
  if (task === 'image-classification' && !isPicture)
    throw new TypeError(`this model classifies pictures: expected a file's bytes (Uint8Array), got ${kindOf(input)}`);
  if (task === 'text-classification' && (isPicture || !isText(input)))
    throw new TypeError(`this model classifies texts: expected { text, pair: null }, got ${kindOf(input)}`);
  if (!Number.isSafeInteger(topK) || topK < 1)
    throw new RangeError(`topK: expected a whole number from 1 on, got ${topK}`);
}

function isText(input: unknown): boolean {
  const { text, pair } = (input ?? {}) as Partial<Record<keyof TextInput, unknown>>;
  return typeof text === 'string' && (pair === null || typeof pair === 'string');
}

function kindOf(input: unknown): string {
  if (input === null || typeof input !== 'object') return input === null ? 'null' : `a ${typeof input}`;
  return `${input.constructor?.name ?? 'an object'} {${Object.keys(input).slice(0, 3).join(', ')}}`.replace(' {}', '');
}
