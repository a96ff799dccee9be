/** Settings that go together: what `slim train` does unless its flags say otherwise. */
import { usageError } from '../io/errors.ts';
import type { Init } from './linear.ts';
import { fades, type Method, STARTS } from './method.ts';
import type { DecayOrder, Schedule } from './schedule.ts';

/** How adapters start, how λ falls, and what the loss is made of. */
export interface Recipe {
  readonly init: Init;
  readonly schedule: Schedule;
  /** Share of all steps after which λ begins to fall. */
  readonly decayStart: number;
  /** Share of all steps after which it is 0. */
  readonly decayEnd: number;
  readonly decayOrder: DecayOrder;
  /** Weight of the task loss; the rest is the feature loss's. */
  readonly alpha: number;
  /** Weight of the logit loss beside them. */
  readonly logitLoss: number;
  readonly temperature: number;
  /** Weight of the relation loss. */
  readonly relationLoss: number;
}

/** PC-LoRA, section 3: A Kaiming, B zero; what it leaves open (α, q) as others have it. */
const PAPER: Recipe = {
  init: 'paper',
  schedule: 'sine',
  decayStart: 0,
  decayEnd: 0.8,
  decayOrder: 'together',
  alpha: 0.2,
  logitLoss: 0,
  temperature: 4,
  relationLoss: 0,
};

/** What --recipe takes. */
export const RECIPES = { default: { ...PAPER, init: 'svd' }, paper: PAPER } as const satisfies Record<string, Recipe>;

/** One of them. */
export type RecipeName = keyof typeof RECIPES;

/** What of a recipe is for methods that fade. */
const FADING_FLAGS = {
  schedule: '--schedule',
  decayStart: '--decay-start',
  decayEnd: '--decay-end',
  decayOrder: '--decay-order',
} as const;

/** The recipe with what was given instead of its own. Usage errors for what does not go with the method, or itself. */
export function resolveRecipe(name: RecipeName, method: Method, given: Partial<Recipe>): Recipe {
  const starts = STARTS[method];
  const { init = name === 'paper' || method === 'pclora' ? RECIPES[name].init : starts[0] } = given;
  if (!starts.includes(init))
    throw usageError(
      `--method ${method} with --init ${init}${given.init === undefined ? ` (of --recipe ${name})` : ''}`,
      `It starts with ${starts.join(' or ')}${method === 'pclora' ? '' : `; ${STARTS.pclora.join(', ')} are for --method pclora`}.`,
    );
  if (fades(method)) {
    const { decayStart, decayEnd } = { ...RECIPES[name], ...given };
    if (decayStart > decayEnd)
      throw usageError(
        `--decay-start ${decayStart} is after --decay-end ${decayEnd}`,
        'Both are shares of the steps: λ falls from the first to the second.',
      );
    return { ...RECIPES[name], ...given, init };
  }
  const named = Object.entries(FADING_FLAGS).find(([name]) => given[name as keyof typeof FADING_FLAGS] !== undefined);
  if (named !== undefined)
    throw usageError(
      `${named[1]} with --method ${method}: ${method === 'lora' ? 'λ stays 1' : 'there is no λ'}`,
      'It is for --method pclora and theseus.',
    );
  // Without fading, adapters are alone from the first step; LoRA's weights are there to the last.
  return { ...RECIPES[name], ...given, init, decayStart: 0, decayEnd: 0 };
}
