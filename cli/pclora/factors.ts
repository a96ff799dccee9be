import { WORD_EMBEDDING } from '../models/layers.ts';

/**
 * Which factor of linear layers a trained tensor is, by its name; null for all else. A word table's are none: its B is
 * looked up as the table is, row by row, and both train as embeddings do.
 */
export function factorOf(name: string): 'A' | 'B' | null {
  if (name.startsWith(`${WORD_EMBEDDING}.`)) return null;
  if (name.endsWith('.loraA')) return 'A';
  return name.endsWith('.loraB') ? 'B' : null;
}
