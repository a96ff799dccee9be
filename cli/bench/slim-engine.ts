/** Slim's own runtime as a case of the latency bench. */
import { readArtifact } from '../../runtime/artifact/artifact.ts';
import { createEngine, type Engine } from '../../runtime/engine/engine.ts';
import { loadKernels } from '../../runtime/hosts/node.ts';
import { pack, type Description } from '../compress/pack.ts';
import { quantizeTensors } from '../compress/quantize.ts';
import { storedTensors } from '../compress/stored-tensors.ts';
import { builtAsset } from '../io/assets.ts';
import type { OperationTime, Subject } from './latency.ts';
import type { Variant } from './variant.ts';

type Inputs = Variant['inputs'];

/** An engine that can time its steps. */
interface ProfilingEngine extends Engine {
  profile?(input: Float32Array): readonly OperationTime[];
}

/** Packs a model in memory and loads what came out, as a server would. */
export async function openSlim({ logits, tensors, inputs, ...about }: Variant, dtype: 'f32' | 'int8'): Promise<Subject> {
  const stored = storedTensors(logits, tensors);
  const bytes = await pack(logits, dtype === 'int8' ? quantizeTensors(stored, logits) : stored, description(about));
  const engine: ProfilingEngine = createEngine(await readArtifact(bytes), await loadKernels(builtAsset('kernels.wasm')));
  const input = engineInput(inputs);
  return {
    bytes: bytes.length,
    run: () => engine.infer(input),
    profile: engine.profile && (() => engine.profile!(input)),
    close: async () => {},
  };
}

/** What the engine takes of a sample. */
function engineInput({ pixels }: Inputs): Float32Array {
  return pixels.data as Float32Array;
}

function description({ model, cost }: Pick<Variant, 'model' | 'cost'>): Description {
  return {
    task: 'image-classification',
    labels: model.labels,
    source: { model: 'random', architecture: model.architecture },
    compression: null,
    preprocessing: {},
    accuracy: [],
    costs: { teacher: null, model: cost },
    configuration: {},
  };
}
