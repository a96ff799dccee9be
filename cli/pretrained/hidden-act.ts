/** Activations by Hugging Face's names (transformers' ACT2FN), read from configs and written to them. */
import type { Activation } from '../../runtime/artifact/plan.ts';
import { UserError } from '../io/errors.ts';
import type { ConfigFields } from './config-fields.ts';

/** Several names may stand for one function; the first is the one that is written. */
const NAMES: Readonly<Record<Activation, readonly string[]>> = {
  gelu: ['gelu', 'gelu_python'],
  geluTanh: ['gelu_pytorch_tanh', 'gelu_new', 'gelu_fast', 'gelu_python_tanh', 'gelu_accurate'],
  quickGelu: ['quick_gelu'],
  silu: ['silu', 'swish'],
  relu: ['relu'],
  relu6: ['relu6'],
  reluSquared: ['relu2'],
  leakyRelu: ['leaky_relu'],
  hardSwish: ['hardswish'],
  mish: ['mish'],
  sigmoid: ['sigmoid'],
  tanh: ['tanh'],
  none: ['linear'],
};

/**
 * The activation that a config names in `field`, which is GELU where it names none. UserError lists those that are
 * known.
 */
export function readHiddenAct(fields: ConfigFields, field: string, path: string, otherwise = 'gelu'): Activation {
  const name = fields.text(field, otherwise);
  const found = Object.entries(NAMES).find(([, names]) => names.includes(name));
  if (!found)
    throw new UserError(
      `${path}: expected ${field} to be an activation that Slim computes, got ${JSON.stringify(name)}`,
      `It computes ${Object.values(NAMES).flat().join(', ')}.`,
    );
  return found[0] as Activation;
}

/** The name of an activation in a config. */
export function hiddenActName(activation: Activation): string {
  return NAMES[activation][0];
}
