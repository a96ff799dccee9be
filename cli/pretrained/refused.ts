/** Checkpoints that look like others but are none that Slim may compute, told before their tensors are looked for. */
import { isObject } from '../../runtime/artifact/schema.ts';
import { UserError } from '../io/errors.ts';
import type { Shapes } from './reading.ts';

/** UserError for a config.json whose weights are quantized already. */
export function expectUnquantized(json: unknown, path: string): void {
  if (!isObject(json) || !isObject(json.quantization_config)) return;
  throw new UserError(
    `${path}: the weights are quantized by ${String(json.quantization_config.quant_method ?? 'an unnamed method')}`,
    'Slim quantizes dense models itself: give the model before quantizing, or call dequantize() and save_pretrained() ' +
      'in transformers.',
  );
}

const QUANTIZED = /\.(absmax|quant_state\.\w+|SCB|weight_format|qweight|qzeros)$/;

/** UserError for tensors that are a quantized model's. */
export function expectDense(shapes: Shapes, folder: string): void {
  const names = [...shapes.keys()];
  const quantized = names.find((name) => QUANTIZED.test(name));
  if (quantized !== undefined)
    throw new UserError(
      `${folder} holds quantized weights (${quantized}), as bitsandbytes or GPTQ write them`,
      'Give the model before quantizing, or call dequantize() and save_pretrained() in transformers.',
    );
}
