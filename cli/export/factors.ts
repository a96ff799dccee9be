/** A compressed model as a Hugging Face folder whose layers stay two thin ones, with the Python that loads them. */
import { join } from 'node:path';
import { UserError, usageError } from '../io/errors.ts';
import { writeFileAtomic } from '../io/files.ts';
import { adaptedLayers, type Layer, linearSize, type TensorSpec, tensorsOf } from '../models/layers.ts';
import { loraAName, rankOf } from '../pclora/linear.ts';
import { type StoredTensor, saveDescription, theirTensors } from '../pretrained/checkpoint.ts';
import { saveTensors, type Tensors } from '../pretrained/tensor-file.ts';
import { ranksOf, type TrainedModel } from '../train/trained-model.ts';
import { tensorNamed } from '../train/trained-tensors.ts';
import { trainedTensors } from './hugging-face.ts';

/** Not model.safetensors: from_pretrained would find no weights in it and draw new ones. */
const WEIGHTS = 'factors.safetensors';

/** Everything that `saveFactors` writes beside what a dense folder has. */
export const FACTOR_FILES: readonly string[] = [WEIGHTS, 'load.py', 'README.md'];

/**
 * Writes LAYER.lora_A (r, in) and LAYER.lora_B (out, r), the scaling within, in place of LAYER.weight; of a word table
 * lora_A (r, D) and lora_B (V, r).
 * @throws UserError for a dense model, for a layer that shares its tensor with another, and as `trainedTensors`
 */
export async function saveFactors(folder: string, trained: TrainedModel, path: string): Promise<void> {
  const { model, compression } = trained;
  if (compression === null) throw usageError(`--layout factors: ${path} is dense and has none`, 'Leave --layout out.');
  const ranks = ranksOf(model, compression);
  const tensors = trainedTensors(trained, path);
  const adapted = adaptedLayers(model.layers, ranks);
  const kept = tensorsOf(model.layers.filter((layer) => !adapted.includes(layer)));
  const stored = theirTensors(trained, kept, tensors);
  for (const layer of adapted) {
    const loraA = tensorNamed(tensors, loraAName(ranks, layer));
    addFactors(stored, trained, layer, rankOf(ranks, layer), loraA, tensors, compression.scaling);
  }
  await saveTensors(join(folder, WEIGHTS), stored, { format: 'pt' });
  await saveDescription(folder, trained);
  await writeFileAtomic(join(folder, 'load.py'), LOADER);
  await writeFileAtomic(join(folder, 'README.md'), README);
}

function addFactors(
  stored: Map<string, StoredTensor>,
  { architecture, config }: TrainedModel,
  layer: Layer,
  rank: number,
  loraA: Float32Array,
  tensors: Tensors,
  scaling: number,
): void {
  const theirs = (spec: TensorSpec): string => {
    const [part, ...others] = architecture.storedAs(spec, config);
    const isWhole = others.length === 0 && part.unused === 0 && part.behind === 0 && part.factor === 1;
    if (isWhole) return part.name;
    throw new UserError(
      `--layout factors: ${layer.name} is a part of ${part.name} in ${architecture.modelType}, which has no factors of its own`,
      'Take --layout dense.',
    );
  };
  const [weight, bias] = layer.tensors;
  const name = theirs(weight).replace(/\.weight$/, '');
  const { inFeatures, outFeatures } = linearSize(layer);
  const loraB = tensorNamed(tensors, `${layer.name}.loraB`).map((value) => value * scaling);
  stored.set(`${name}.lora_A`, { shape: [rank, inFeatures], data: loraA });
  stored.set(`${name}.lora_B`, { shape: [outFeatures, rank], data: loraB });
  if (bias) stored.set(theirs(bias), { shape: bias.shape, data: tensorNamed(tensors, `${layer.name}.loraC`) });
}

const README = `# Low-rank layers

\`${WEIGHTS}\` holds, in place of each layer's \`weight\`, its factors: \`lora_A\` (r, in) and \`lora_B\` (out, r), with
weight = lora_B @ lora_A; the scaling is within lora_B. Biases, norms, embeddings and the head have their usual names.

\`load.py\` loads them (torch, safetensors, transformers) as thin layers, one after the other:

    from load import load
    model = load()

A model of full size that from_pretrained loads by itself: slim export RUN --to safetensors --layout dense.
`;

/** transformers may name modules otherwise than tensors; so what it made of a weight is known again by its bytes. */
const LOADER = `"""Loads ${WEIGHTS} of this folder: every low-rank layer becomes two thin ones."""
import hashlib
import os

import transformers
from safetensors.torch import load_file
from torch import nn


def digest(tensor):
    return hashlib.sha256(tensor.detach().contiguous().numpy().tobytes()).digest()


def thin(layer, a, b):
    if isinstance(layer, nn.Embedding):
        first = nn.Embedding(b.shape[0], b.shape[1])
        second = nn.Linear(a.shape[0], a.shape[1], bias=False)
        first.weight.data, second.weight.data = b, a.T.contiguous()
    else:
        first = nn.Linear(a.shape[1], a.shape[0], bias=False)
        second = nn.Linear(b.shape[1], b.shape[0])
        first.weight.data, second.weight.data, second.bias.data = a, b, layer.bias.data
    return nn.Sequential(first, second)


def load(folder=os.path.dirname(os.path.abspath(__file__))):
    state = load_file(os.path.join(folder, "${WEIGHTS}"))
    factors = {}
    for name in [name for name in state if name.endswith(".lora_A")]:
        layer = name.removesuffix(".lora_A")
        a, b = state.pop(name), state.pop(layer + ".lora_B")
        state[layer + ".weight"] = b @ a
        factors[digest(state[layer + ".weight"])] = (a, b)
    config = transformers.AutoConfig.from_pretrained(folder)
    model = getattr(transformers, config.architectures[0]).from_pretrained(None, config=config, state_dict=state)
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, (nn.Linear, nn.Embedding)) and digest(layer.weight) in factors:
                setattr(parent, name, thin(layer, *factors.pop(digest(layer.weight))))
    if factors:
        raise RuntimeError(f"{len(factors)} layers were not found in the model")
    return model.eval()
`;
