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

/** What a model reads. */
export type Modality = 'image' | 'text';

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

/** Settings that won, or lost to none, in `test/benchmarks/recipe/` where all samples have labels. */
const MEASURED: Readonly<Record<Modality, Recipe>> = {
  // Of pictures the teacher's logits say more than labels, and a long fall of λ costs steps that the adapters need.
  image: { ...PAPER, init: 'svd', schedule: 'linear', decayEnd: 0.3, alpha: 0, logitLoss: 1 },
  text: { ...PAPER, init: 'activation', schedule: 'linear', decayEnd: 0.6 },
};

/** What --recipe takes, and what it is for models that read pictures or texts. */
export const RECIPES = { default: MEASURED, paper: { image: PAPER, text: PAPER } } as const satisfies Record<
  string,
  Readonly<Record<Modality, Recipe>>
>;

/**
 * Adam's rate for wide layers falls with their width (Yang et al. 2021, arXiv 2203.03466). At 384 this is the best of
 * those that were measured, at 128 it lies between the two best.
 */
const RATE_TIMES_WIDTH = 0.4;
/** The largest that was tried. */
const MOST_RATE = 4e-3;

/** `learningRateOf`, as the help tells it. */
export const LEARNING_RATE_TOLD = `${RATE_TIMES_WIDTH} / the model's width, at most ${MOST_RATE}`;

/** The peak learning rate of a model so wide, unless one is given: 0.4 / width in two digits, at most 0.004. */
export function learningRateOf(width: number): number {
  return Math.min(MOST_RATE, Number((RATE_TIMES_WIDTH / width).toPrecision(2)));
}

/** One of them. */
export type RecipeName = keyof typeof RECIPES;

/** What of a recipe is for methods that fade. */
export const FADING_FLAGS = {
  schedule: '--schedule',
  decayStart: '--decay-start',
  decayEnd: '--decay-end',
  decayOrder: '--decay-order',
} as const;

/** The recipe with what was given instead of its own. Usage errors for what does not go with the method, or itself. */
export function resolveRecipe(name: RecipeName, modality: Modality, method: Method, given: Partial<Recipe>): Recipe {
  const starts = STARTS[method];
  const recipe: Recipe = RECIPES[name][modality];
  const { init = name === 'paper' || starts.includes(recipe.init) ? recipe.init : starts[0] } = given;
  if (!starts.includes(init))
    throw usageError(
      `--method ${method} with --init ${init}${given.init === undefined ? ` (of --recipe ${name})` : ''}`,
      `It starts with ${starts.join(' or ')}${method === 'pclora' ? '' : `; ${STARTS.pclora.join(', ')} are for --method pclora`}.`,
    );
  if (fades(method)) {
    const { decayStart, decayEnd } = { ...recipe, ...given };
    if (decayStart > decayEnd)
      throw usageError(
        `--decay-start ${decayStart} is after --decay-end ${decayEnd}`,
        'Both are shares of the steps: λ falls from the first to the second.',
      );
    return { ...recipe, ...given, init };
  }
  const named = Object.entries(FADING_FLAGS).find(([name]) => given[name as keyof typeof FADING_FLAGS] !== undefined);
  if (named !== undefined)
    throw usageError(
      `${named[1]} with --method ${method}: ${method === 'lora' ? 'λ stays 1' : 'there is no λ'}`,
      'It is for --method pclora and theseus.',
    );
  // Without fading, adapters are alone from the first step; LoRA's weights are there to the last.
  return { ...recipe, ...given, init, decayStart: 0, decayEnd: 0 };
}
