/** The dense teacher and the low-rank model on onnxruntime, native or in WebAssembly. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { floatTensors, partsOf, type TrainedModel } from '../../train/trained-model.ts';
import type { CallShape, Installed, Peer, PeerName } from './peers.ts';
import type { PeerModel } from './protocol.ts';
import { type CompareSample, inputsOf } from './samples.ts';

/** A model, what it costs, and the samples as it takes them. */
export interface PeerSource {
  readonly trained: TrainedModel;
  readonly parameters: number;
  /** Of one sample: of a text as long as the artifact takes. */
  readonly macs: number;
  readonly samples: readonly CompareSample[];
}

/** What runs it. */
export interface PeerRuntime {
  readonly name: 'native' | 'web';
  readonly description: string;
  readonly installed: Installed;
}

/** A model as a peer whose files lie in `folder`. The graph has static shapes, so there is a file for each. */
export async function onnxPeer(
  name: PeerName,
  { trained, parameters, macs, samples }: PeerSource,
  runtime: PeerRuntime,
  dtype: 'f32' | 'int8',
  folder: string,
): Promise<Peer> {
  const file = join(folder, `${name}.onnx`);
  const tensors = floatTensors(trained.stored);
  let written: { readonly key: string; readonly model: PeerModel; readonly bytes: number } | null = null;
  const writtenFor = async (shape: CallShape): Promise<NonNullable<typeof written>> => {
    const key = JSON.stringify(shape);
    if (written?.key === key) return written;
    const { batch, tokens, padded } = shape;
    const inputs = trained.model.batchInputs(batch, { padded: padded && tokens !== null, tokens: tokens ?? undefined });
    const { peerModel } = await import('../onnx-peer.ts'); // brings protobuf along
    const bytes = peerModel(trained.model.forward(inputs, batch, partsOf(trained)).logits, tensors, dtype);
    await writeFile(file, bytes);
    const types = Object.entries(inputs).map(([input, node]) => [
      input,
      { dtype: node.dtype as 'f32' | 'i32', shape: node.shape },
    ]);
    const model = { kind: 'onnx', runtime: runtime.name, file, inputs: Object.fromEntries(types), batch } as const;
    return (written = { key, model, bytes: bytes.length });
  };
  const { bytes } = await writtenFor({ batch: 1, tokens: samples[0].tokens, padded: false });
  return {
    name,
    engine: runtime.description,
    parameters,
    macs,
    modelBytes: bytes,
    installed: runtime.installed,
    runsOnWorkers: false,
    sameLogits: true,
    samples,
    modelFor: async (shape) => (await writtenFor(shape)).model,
    inputOf: (place, tokens) => inputsOf(samples[place], tokens),
  };
}
