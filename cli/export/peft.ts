/**
 * What --method lora trained, as an adapter of PEFT: base + s·B·A and b + C for the layers of the blocks, whole modules for
 * the norms, pooler and head that trained beside them; modules have the names of transformers 5. Only what is exact: base and
 * adapter have to give the run's weights.
 */
import { join } from 'node:path';
import { sameShape } from '../graph/graph.ts';
import { UserError } from '../io/errors.ts';
import { exists, writeJson } from '../io/files.ts';
import { adaptedLayers, blockLinears, type Layer, tensorsOf } from '../models/layers.ts';
import { loraAName } from '../pclora/linear.ts';
import { merged } from '../pclora/merge.ts';
import { type Checkpoint, loadCheckpoint, type StoredTensor, theirTensors } from '../pretrained/checkpoint.ts';
import { resolveModelFolder } from '../pretrained/hub.ts';
import { moduleName } from '../pretrained/lora-adapter.ts';
import { savePreprocessing } from '../pretrained/preprocessing.ts';
import { saveTensors, type Tensors } from '../pretrained/tensor-file.ts';
import { readAdapter, type SavedAdapter } from '../train/adapter-file.ts';
import { RUN_FILES } from '../train/run-directory.ts';
import { floatTensors, type TrainedModel } from '../train/trained-model.ts';
import { tensorNamed } from '../train/trained-tensors.ts';

/** Everything that `saveAdapter` writes beside what prepares the inputs. */
export const ADAPTER_FILES: readonly string[] = ['adapter_config.json', 'adapter_model.safetensors'];

/** PEFT wraps a model once, and itself around that. */
const PREFIX = 'base_model.model.';

/**
 * Writes adapter_config.json, adapter_model.safetensors and what prepares the inputs.
 * @throws UserError for a run that no adapter gives, or a base that it does not belong to
 */
export async function saveAdapter(
  folder: string,
  trained: TrainedModel,
  path: string,
  given: string | undefined,
): Promise<void> {
  const adapter = await adapterOf(trained, path);
  const base = given ?? baseOf(trained, path);
  const checkpoint = await loadCheckpoint(await resolveModelFolder(base), { seed: 0 });
  const whole = wholeModules(trained, checkpoint, adapter, path, base);
  const tensors = new Map([
    ...loraTensors(trained, adapter),
    ...[...whole].map(([name, tensor]) => [moduleName(name), tensor] as const),
  ]);
  await saveTensors(
    join(folder, 'adapter_model.safetensors'),
    [...tensors].map(([name, tensor]) => [PREFIX + name, tensor] as const),
    { format: 'pt' },
  );
  const modules = [...new Set([...whole.keys()].map(moduleOf))];
  await writeJson(join(folder, 'adapter_config.json'), configOf(trained, adapter, base, modules));
  await savePreprocessing(folder, trained.preprocessing);
}

async function adapterOf({ compression, record }: TrainedModel, path: string): Promise<SavedAdapter> {
  if (compression !== null)
    throw new UserError(
      `${path} is compressed: the weights of its base have faded out, and nothing that is added to them gives its answers`,
      'Its factors by themselves: --to safetensors --layout factors. An adapter is what slim train --method lora trains.',
    );
  const file = join(path, RUN_FILES.adapter);
  if (record === null || !(await exists(file)))
    throw new UserError(
      `${path} has no adapter (${RUN_FILES.adapter}): its weights trained themselves, or it is no run of slim train --method lora`,
      'Take --to safetensors.',
    );
  return readAdapter(file);
}

function baseOf({ record }: TrainedModel, path: string): string {
  const { model } = record?.configuration ?? {};
  if (typeof model === 'string') return model;
  throw new UserError(`${path} does not say what it was trained from`, 'Name it: --base DIR|OWNER/NAME.');
}

function adaptedIn({ model }: TrainedModel, adapter: SavedAdapter): Layer[] {
  const layers = adaptedLayers(model.layers, adapter.ranks);
  const table = layers.find((layer) => !blockLinears(model.layers).includes(layer));
  if (!table) return layers;
  throw new UserError(
    `${table.name} has factors, too, which PEFT does not take beside biases`,
    'Take --to safetensors.',
  );
}

/** The tensors of a layer by transformers' names, which have to be its own. */
function namesOf(layer: Layer, { architecture, config }: TrainedModel): string[] {
  return layer.tensors.map((spec) => {
    const [part] = architecture.storedAs(spec, config);
    if (part.unused === 0 && part.behind === 0) return part.name;
    throw new UserError(
      `${layer.name} is a part of ${part.name}, which PEFT can't adapt alone`,
      'Take --to safetensors.',
    );
  });
}

/** The module that a tensor of a checkpoint belongs to, as PEFT finds it in the model. */
function moduleOf(name: string): string {
  return moduleName(name.replace(/\.(weight|bias)$/, ''));
}

function loraTensors(trained: TrainedModel, adapter: SavedAdapter): Map<string, StoredTensor> {
  const { tensors, ranks, scaling } = adapter;
  return new Map(
    adaptedIn(trained, adapter).flatMap((layer): [string, StoredTensor][] => {
      const module = moduleOf(namesOf(layer, trained)[0]);
      const [outFeatures, inFeatures] = layer.tensors[0].shape;
      const [loraA, loraB, loraC] = [loraAName(ranks, layer), `${layer.name}.loraB`, `${layer.name}.loraC`].map(
        (name) => tensorNamed(tensors, name),
      );
      const rank = loraA.length / inFeatures;
      return [
        [`${module}.lora_A.weight`, { shape: [rank, inFeatures], data: loraA }],
        [`${module}.lora_B.weight`, { shape: [outFeatures, rank], data: loraB }],
        // PEFT scales it as it does B.
        [`${module}.lora_B.bias`, { shape: [outFeatures], data: loraC.map((value) => value / scaling) }],
      ];
    }),
  );
}

/** Modules that the adapter does not change by factors, and that are others than the base's. */
function wholeModules(
  trained: TrainedModel,
  base: Checkpoint,
  adapter: SavedAdapter,
  path: string,
  name: string,
): Map<string, StoredTensor> {
  const { model, config, architecture } = trained;
  const another = (what: string): UserError =>
    new UserError(
      `${name} is not what ${path} was trained from: ${what}`,
      'Name the one that is: --base DIR|OWNER/NAME. A vocabulary that was pruned, or another size of pictures, has no base any more.',
    );
  if (architecture.modelType !== base.architecture.modelType) throw another(`it is of ${base.architecture.modelType}`);
  const specs = tensorsOf(model.layers);
  const [ours, theirs] = [
    theirTensors(trained, specs, floatTensors(trained.stored)),
    theirTensors(base, tensorsOf(base.model.layers), base.tensors),
  ];
  expectExact(trained, base.tensors, adapter, another);
  const heads = model.layers.filter(({ kind }) => kind === 'head' || kind === 'pooler');
  const headNames = new Set(tensorsOf(heads).map((spec) => architecture.storedAs(spec, config)[0].name));
  const adapted = new Set(adaptedIn(trained, adapter).flatMap((layer) => namesOf(layer, trained)));
  const changed = new Set(
    [...ours].flatMap(([tensor, { shape, data }]) => {
      if (adapted.has(tensor)) return [];
      const known = theirs.get(tensor);
      if (headNames.has(tensor)) return [moduleOf(tensor)];
      if (!known || !sameShape(known.shape, shape)) throw another(`${tensor} has another shape there`);
      return data.every((value, i) => value === known.data[i]) ? [] : [moduleOf(tensor)];
    }),
  );
  return new Map([...ours].filter(([tensor]) => changed.has(moduleOf(tensor))));
}

/** The run's weights have to be those of this base with this adapter, to the last bit. */
function expectExact(
  trained: TrainedModel,
  base: Tensors,
  adapter: SavedAdapter,
  another: (what: string) => UserError,
): void {
  const layers = adaptedIn(trained, adapter);
  const has = tensorsOf(layers).every(({ name, shape }) => base.get(name)?.length === shape.reduce((a, b) => a * b, 1));
  if (!has) throw another('its layers have other sizes');
  const together = merged(layers, adapter, new Map([...base, ...adapter.tensors]));
  const stored = floatTensors(trained.stored);
  for (const [name, values] of together)
    if (!values.every((value, i) => value === stored.get(name)![i])) throw another(`${name} has other values there`);
}

function configOf(
  trained: TrainedModel,
  adapter: SavedAdapter,
  base: string,
  modules: readonly string[],
): Record<string, unknown> {
  const { ranks, scaling, tensors } = adapter;
  const perModule = adaptedIn(trained, adapter).map((layer) => {
    const loraA = tensorNamed(tensors, loraAName(ranks, layer));
    return [moduleOf(namesOf(layer, trained)[0]), loraA.length / layer.tensors[0].shape[1]] as const;
  });
  const [[, rank]] = perModule;
  const others = perModule.filter(([, one]) => one !== rank);
  return {
    peft_type: 'LORA',
    task_type: trained.preprocessing.kind === 'text' ? 'SEQ_CLS' : null,
    base_model_name_or_path: base,
    inference_mode: true,
    r: rank,
    lora_alpha: scaling * rank,
    rank_pattern: Object.fromEntries(others),
    alpha_pattern: Object.fromEntries(others.map(([module, one]) => [module, scaling * one])),
    target_modules: perModule.map(([module]) => module),
    modules_to_save: modules,
    lora_bias: true,
    lora_dropout: 0,
    bias: 'none',
    fan_in_fan_out: false,
    init_lora_weights: true,
    use_rslora: false,
    use_dora: false,
  };
}
