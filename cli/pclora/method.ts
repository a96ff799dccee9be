/** PC-LoRA and what it is compared with, on the same data, losses and steps. */
import type { Init } from './linear.ts';

/**
 * What --method takes.
 * - `pclora`: adapters beside weights that fade out (arXiv 2406.09117)
 * - `svd`: no fading: adapters that start from the weights, alone from the first step
 * - `scratch`: the same from a random start
 * - `theseus`: in each step each block is the teacher's with probability λ, else adapters only (BERT-of-Theseus, Xu et al.
 *   2020, arXiv 2002.02925)
 * - `lora`: weights that stay, with adapters that are merged into them at the end: full size (Hu et al. 2021)
 */
export const METHODS = ['pclora', 'svd', 'scratch', 'theseus', 'lora'] as const;
/** One of them. */
export type Method = (typeof METHODS)[number];

/** How adapters may start by each method, the first unless asked for. */
export const STARTS: Readonly<Record<Method, readonly Init[]>> = {
  pclora: ['svd', 'activation', 'paper'],
  svd: ['svd', 'activation'],
  scratch: ['random'],
  theseus: ['svd', 'activation'],
  lora: ['paper'],
};

/** Whether λ falls. */
export function fades(method: Method): boolean {
  return method === 'pclora' || method === 'theseus';
}
