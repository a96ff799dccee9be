/** How a report tells of recipes, and in which order of commands: by hand, against what `slim train --help` says of each recipe. */
import { describe, expect, it } from 'vitest';
import { inOrder, recipeOf } from '../../cli/report/provenance-section.ts';

describe('a recipe', () => {
  const pictures = {
    recipe: 'default',
    method: 'pclora',
    augment: 'flip',
    init: 'svd',
    schedule: 'linear',
    decayStart: 0,
    decayEnd: 0.3,
    decayOrder: 'together',
    alpha: 0,
    logitLoss: 1,
    temperature: 4,
    relationLoss: 0,
  };

  it('is told as it is', () => {
    expect(recipeOf(pictures)).toBe('default: start svd, linear schedule, λ = 0 after 30 % of the steps');
    const { augment: _, ...texts } = { ...pictures, maxTokens: 128, init: 'activation', decayEnd: 0.6, alpha: 0.2 };
    expect(recipeOf({ ...texts, logitLoss: 0 })).toBe(
      'default: start activation, linear schedule, λ = 0 after 60 % of the steps',
    );
  });

  it('is told with what differs', () => {
    expect(recipeOf({ ...pictures, schedule: 'sine', decayEnd: 0.4, alpha: 0.2, logitLoss: 0 })).toBe(
      'default, except: sine schedule, λ = 0 after 40 % of the steps, α 0.2, logit loss 0',
    );
  });

  it('says nothing of λ where it does not fall', () => {
    expect(recipeOf({ ...pictures, method: 'svd', decayEnd: 0 })).toBe('default: start svd');
    expect(recipeOf({ ...pictures, method: 'lora', init: 'paper', decayEnd: 0 })).toBe('default, except: start paper');
  });
});

it('tells commands in the order in which they run', () => {
  const made = ['slim train --model a', 'slim quantize b', 'slim finetune --model c', 'slim pack d --out d.slim'];
  expect(inOrder([...made].reverse())).toEqual([made[2], made[0], made[1], made[3]]);
});
