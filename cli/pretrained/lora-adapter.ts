/**
 * LoRA adapters (Hu et al. 2021) as Hugging Face's PEFT saves them: what they change in their base model's tensors, by
 * the base's names. W + s·B·A, with s = alpha / r, or alpha / sqrt(r) (rank-stabilized).
 */
import { isObject, type JsonObject } from '../../runtime/artifact/schema.ts';
import { type Shape, sameShape } from '../graph/graph.ts';
import { UserError } from '../io/errors.ts';
import type { TensorFile } from './tensor-file.ts';

/** A product of two thin matrices that is added to a tensor of the base. */
interface LowRank {
  /** Names in the adapter's file: (r, in) and (out, r). */
  readonly a: string;
  readonly b: string;
  readonly scaling: number;
  /** A word table: (r, V) and (D, r), of which the product is the table's transpose. */
  readonly transposed: boolean;
}

/** What an adapter does to one tensor of its base. */
export interface Change {
  /** A tensor of the adapter's own in place of the base's, as a head that was trained with it. */
  readonly replacement: string | null;
  readonly added: LowRank | null;
  /** A vector, times a factor, that is added (`lora_bias`). */
  readonly addedBias: { readonly name: string; readonly factor: number } | null;
}

/** Changes by the base's names, as its class in transformers has them. */
export type Changes = ReadonlyMap<string, Change>;

/** What an adapter_config.json may ask for that is more than LoRA, by field, with its name. */
const BEYOND: Readonly<Record<string, string>> = {
  use_dora: 'DoRA',
  use_qalora: 'QALoRA',
  use_bdlora: 'BD-LoRA',
  layer_replication: 'replicated layers',
  alora_invocation_tokens: 'activated LoRA',
  arrow_config: 'Arrow',
  kasa_config: 'KaSA',
  monteclora_config: 'MonteCLoRA',
  trainable_token_indices: 'trainable tokens',
  target_parameters: 'LoRA on parameters',
  megatron_config: "Megatron's layers",
};

/** Starts of A and B that leave the base's weights as they are; with others (PiSSA, OLoRA ...) a part went from W. */
const STARTS: readonly unknown[] = [undefined, null, true, false, 'gaussian', 'orthogonal', 'eva'];

/** Checks that an adapter is LoRA and no more. @throws UserError naming the file and what else it is */
export function expectLora(config: JsonObject, path: string): void {
  const hint = 'Slim merges LoRA. Merge this one in Python: model.merge_and_unload().save_pretrained(FOLDER).';
  if (config.peft_type !== 'LORA')
    throw new UserError(
      `${path}: expected an adapter of peft_type LORA, got ${JSON.stringify(config.peft_type)}`,
      hint,
    );
  for (const [field, name] of Object.entries(BEYOND)) {
    const value = config[field];
    const isUsed = Array.isArray(value) ? value.length > 0 : isObject(value) ? Object.keys(value).length > 0 : !!value;
    if (isUsed) throw new UserError(`${path}: the adapter is more than LoRA: ${name} (${field})`, hint);
  }
  if (!STARTS.includes(config.init_lora_weights))
    throw new UserError(
      `${path}: init_lora_weights ${JSON.stringify(config.init_lora_weights)} changed the base's weights, too`,
      hint,
    );
}

/**
 * What the tensors of an adapter's file change.
 * @throws UserError naming a tensor that is not one of LoRA's, or a number that is none
 */
export function changesOf(config: JsonObject, file: Pick<TensorFile, 'path' | 'shapes'>, configPath: string): Changes {
  const changes = new Map<string, Change>();
  const change = (name: string, more: Partial<Change>): void => {
    changes.set(name, { ...(changes.get(name) ?? { replacement: null, added: null, addedBias: null }), ...more });
  };
  for (const stored of file.shapes.keys()) {
    const name = stored.replace(/^base_model\.model\./, '');
    const lora = /^(.+)\.lora_(?:embedding_)?([AB])(?:\.default)?(?:\.(weight|bias))?$/.exec(name);
    if (lora) {
      const [, module, matrix, kind] = lora;
      const other = stored.replace(/(lora_(?:embedding_)?)[AB]/, `$1${matrix === 'A' ? 'B' : 'A'}`);
      const [a, b] = matrix === 'A' ? [stored, other] : [other, stored];
      if (kind === 'bias') {
        const weight = stored.replace(/bias$/, 'weight').replace('lora_B', 'lora_A');
        const factor = scalingOf(config, module, rankOf(file, weight), configPath);
        change(`${baseName(module)}.bias`, { addedBias: { name: stored, factor } });
        continue;
      }
      if (matrix === 'B' && file.shapes.has(a)) continue; // with its A
      if (!file.shapes.has(b) || !file.shapes.has(a))
        throw new UserError(`${file.path}: ${stored} is there without ${other}`, 'Fetch or save the adapter again.');
      const scaling = scalingOf(config, module, rankOf(file, a), configPath);
      const transposed = name.includes('lora_embedding_');
      change(`${baseName(module)}.weight`, { added: { a, b, scaling, transposed } });
      continue;
    }
    if (name.includes('.original_module.')) continue;
    if (/lora_|\.ia3_|vera_|hada_|prompt|adaption/.test(name))
      throw new UserError(`${file.path}: ${stored} is no tensor of plain LoRA`, 'Merge the adapter in Python.');
    change(baseName(name.replace(/\.modules_to_save(\.default)?/, '').replace(/\.base_layer/, '')), {
      replacement: stored,
    });
  }
  return changes;
}

function rankOf({ shapes, path }: Pick<TensorFile, 'path' | 'shapes'>, a: string): number {
  const rank = shapes.get(a)?.[0];
  if (rank === undefined) throw new UserError(`tensor ${a} is missing in ${path}`, 'Fetch or save the adapter again.');
  return rank;
}

/** PEFT's: the module's own alpha where a pattern names it, and its rank, which its tensors tell. */
function scalingOf(config: JsonObject, module: string, rank: number, path: string): number {
  const patterns = isObject(config.alpha_pattern) ? config.alpha_pattern : {};
  const key = Object.keys(patterns).find((pattern) => matches(pattern, module, path));
  const alpha = (key === undefined ? undefined : patterns[key]) ?? config.lora_alpha ?? 8;
  if (typeof alpha !== 'number' || !Number.isFinite(alpha))
    throw new UserError(`${path}: expected lora_alpha to be a number, got ${JSON.stringify(alpha)}`);
  return config.use_rslora === true ? alpha / Math.sqrt(rank) : alpha / rank;
}

/** A name, or the end of one; nothing else that a regular expression could be is run. */
function matches(pattern: string, module: string, path: string): boolean {
  const name = pattern.replace(/^\^/, '').replace(/\$$/, '').replaceAll('\\.', '.');
  if (!/^[\w.-]+$/.test(name))
    throw new UserError(
      `${path}: expected names in alpha_pattern, got the regular expression ${JSON.stringify(pattern)}`,
      'Merge the adapter in Python: model.merge_and_unload().',
    );
  return module === name || (!pattern.startsWith('^') && module.endsWith(`.${name}`));
}

/** transformers 5 calls the modules of ViTs otherwise than it writes them. */
function baseName(name: string): string {
  return name
    .replace(/^(vit|deit)\.layers\./, '$1.encoder.layer.')
    .replace(
      /(\.layer\.\d+)\.attention\.(q|k|v)_proj\b/,
      (_, block: string, part: 'q' | 'k' | 'v') =>
        `${block}.attention.attention.${{ q: 'query', k: 'key', v: 'value' }[part]}`,
    )
    .replace(/(\.layer\.\d+)\.attention\.o_proj\b/, '$1.attention.output.dense')
    .replace(/^((?:vit|deit)\.encoder\.layer\.\d+)\.mlp\.fc1\b/, '$1.intermediate.dense')
    .replace(/^((?:vit|deit)\.encoder\.layer\.\d+)\.mlp\.fc2\b/, '$1.output.dense');
}

/** `baseName`'s inverse: what transformers 5 calls a module whose tensors have that name in a checkpoint. */
export function moduleName(name: string): string {
  const [, family, block, rest] =
    /^(vit|deit|dinov2|dinov2_with_registers)\.encoder\.layer\.(\d+)\.(.+)$/.exec(name) ?? [];
  if (family === undefined) return name;
  const renamed = rest
    .replace(/^attention\.attention\.(query|key|value)\b/, (_, part: string) => `attention.${part[0]}_proj`)
    .replace(/^attention\.output\.dense\b/, 'attention.o_proj');
  if (family.startsWith('dinov2')) return `${family}.encoder.layer.${block}.${renamed}`;
  return `${family}.layers.${block}.${renamed
    .replace(/^intermediate\.dense\b/, 'mlp.fc1')
    .replace(/^output\.dense\b/, 'mlp.fc2')}`;
}

/**
 * A tensor of the base as the adapter changes it; `base` null where it has none.
 * @throws UserError for a tensor of the adapter whose shape does not fit
 */
export async function changed(
  { replacement, added, addedBias }: Change,
  adapter: TensorFile,
  name: string,
  base: { readonly data: Float32Array<ArrayBuffer>; readonly shape: Shape } | null,
): Promise<Float32Array<ArrayBuffer>> {
  const shapeOf = (stored: string): Shape => adapter.shapes.get(stored)!;
  const start = replacement === null ? base : { data: await adapter.read(replacement), shape: shapeOf(replacement) };
  if (start === null) throw new Error(`no tensor ${name} to change`);
  const result = start.data.slice();
  const expectShape = (stored: string, expected: Shape): void => {
    if (!sameShape(shapeOf(stored), expected))
      throw new UserError(
        `the adapter ${adapter.path} does not fit tensor ${name}: expected ${stored} to be ` +
          `${expected.join('×')}, got ${shapeOf(stored).join('×')}`,
        'Is it an adapter of this base?',
      );
  };
  if (added !== null) {
    const [rows, columns] = added.transposed ? [...start.shape].reverse() : start.shape;
    const [rank] = shapeOf(added.a);
    expectShape(added.a, [rank, columns]);
    expectShape(added.b, [rows, rank]);
    addProduct(result, await adapter.read(added.a), await adapter.read(added.b), { rows, columns, rank }, added);
  }
  if (addedBias !== null) {
    expectShape(addedBias.name, start.shape);
    const bias = await adapter.read(addedBias.name);
    bias.forEach((value, i) => {
      result[i] += addedBias.factor * value;
    });
  }
  return result;
}

/** W (out, in) + s · B (out, r) · A (r, in); of a word table (V, D), the transpose of the product. */
function addProduct(
  weight: Float32Array,
  a: Float32Array,
  b: Float32Array,
  { rows, columns, rank }: Readonly<Record<'rows' | 'columns' | 'rank', number>>,
  { scaling, transposed }: LowRank,
): void {
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      let sum = 0;
      for (let k = 0; k < rank; k++) sum += b[row * rank + k] * a[k * columns + column];
      weight[transposed ? column * rows + row : row * columns + column] += scaling * sum;
    }
}
