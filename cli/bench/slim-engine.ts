/** Slim's own runtime as a case of the latency bench. */
import { readArtifact } from '../../runtime/artifact/artifact.ts';
import { createEngine } from '../../runtime/engine/engine.ts';
import { profileArtifact } from '../../runtime/engine/profile.ts';
import { absorb } from '../compress/absorb.ts';
import { type Description, pack } from '../compress/pack.ts';
import { quantizeTensors, type Weights } from '../compress/quantize.ts';
import { storedTensors } from '../compress/stored-tensors.ts';
import { builtKernels } from '../io/assets.ts';
import type { Subject } from './latency.ts';
import type { Variant } from './variant.ts';

/** Packs a model in memory and loads what came out, as a server would. */
export async function openSlim(variant: Variant, dtype: 'f32' | Weights): Promise<Subject> {
  const { inputs } = variant;
  const bytes = await packVariant(variant, dtype);
  const [artifact, kernels] = [await readArtifact(bytes), await builtKernels()];
  const engine = createEngine(artifact, kernels);
  // An artifact takes no bytes.
  const values = Object.fromEntries(
    Object.entries(inputs).map(([name, { data }]) => [name, data as Float32Array | Int32Array]),
  );
  return {
    bytes: bytes.length,
    run: () => engine.infer(values),
    profile: () => profileArtifact(artifact, kernels, values),
    close: async () => {},
  };
}

/** The artifact of a model with random weights; of an engine's inputs alone, unless the preprocessing is given. */
export function packVariant(
  { logits, tensors, ...about }: Variant,
  dtype: 'f32' | Weights,
  preprocessing: object = {},
): Promise<Uint8Array> {
  const { logits: deployed, derive } = absorb(logits);
  const stored = derive(storedTensors(logits, tensors));
  return pack(deployed, dtype === 'f32' ? stored : quantizeTensors(stored, deployed, dtype), {
    ...description(about),
    preprocessing: { ...preprocessing },
  });
}

function description({ model, cost }: Pick<Variant, 'model' | 'cost'>): Description {
  return {
    task: model.architecture === 'bert' ? 'text-classification' : 'image-classification',
    problemType: model.problemType,
    labels: model.labels,
    source: { model: 'random', architecture: model.architecture },
    compression: null,
    preprocessing: {},
    accuracy: [],
    costs: { teacher: null, model: cost },
    configuration: {},
  };
}
