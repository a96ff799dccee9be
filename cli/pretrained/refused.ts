/** Checkpoints that look like others but are none that Slim may compute, told before their tensors are looked for. */
import { isObject } from '../../runtime/artifact/schema.ts';
import { UserError } from '../io/errors.ts';
import type { Shapes } from './reading.ts';

/** UserError for a config.json that names code of its own, or weights that are quantized already. */
export function expectOwnCode(json: unknown, path: string): void {
  if (!isObject(json)) return;
  if (isObject(json.auto_map) && Object.keys(json.auto_map).length > 0)
    throw new UserError(
      `${path} names code of its own (auto_map: ${Object.values(json.auto_map).flat().slice(0, 2).join(', ')})`,
      "Slim runs no code of checkpoints and can't know what it computes. Where the model is one that transformers has, " +
        'load it there and save it with save_pretrained(), without auto_map.',
    );
  if (isObject(json.quantization_config)) {
    const method = json.quantization_config.quant_method ?? 'an unnamed method';
    throw new UserError(
      `${path}: the weights are quantized by ${String(method)}`,
      'Slim quantizes dense models itself: give the model before quantizing, or call dequantize() and save_pretrained() ' +
        'in transformers.',
    );
  }
}

const QUANTIZED = /\.(absmax|quant_state\.\w+|SCB|weight_format|qweight|qzeros)$/;

/** UserError for tensors that are a quantized model's, or an adapter's beside its base. */
export function expectDense(shapes: Shapes, folder: string): void {
  const names = [...shapes.keys()];
  const quantized = names.find((name) => QUANTIZED.test(name));
  if (quantized !== undefined)
    throw new UserError(
      `${folder} holds quantized weights (${quantized}), as bitsandbytes or GPTQ write them`,
      'Give the model before quantizing, or call dequantize() and save_pretrained() in transformers.',
    );
  const wrapped = names.find((name) => name.includes('.base_layer.') || /\.lora_[AB]\./.test(name));
  if (wrapped !== undefined)
    throw new UserError(
      `${folder} holds a model with adapters in it (${wrapped}), as PEFT wraps one`,
      'Merge them in Python: model.merge_and_unload().save_pretrained(folder).',
    );
}
