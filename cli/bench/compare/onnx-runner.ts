/** onnxruntime, native or in WebAssembly, on one thread. */
import { readFile } from 'node:fs/promises';
import type { HostTensor } from '../../engines/engine.ts';
import { nativeRuntime, type OnnxRuntime, openSession, webRuntime } from '../../engines/onnx/session.ts';
import { elementCount } from '../../graph/graph.ts';
import type { PeerInput, PeerModel } from './protocol.ts';
import type { Runner } from './runner.ts';

type OnnxModel = Extract<PeerModel, { readonly kind: 'onnx' }>;

/** Loads a model's file, whose one output are the logits. */
export async function openOnnxRunner({ runtime, file, inputs, batch }: OnnxModel): Promise<Runner> {
  const session = await openSession(await runtimeOf(runtime), await readFile(file), 1);
  return {
    async answer(samples) {
      if (samples.length !== batch) throw new Error(`expected ${batch} samples, got ${samples.length}`);
      const feeds = Object.entries(inputs).map(([name, { dtype, shape }]) => {
        const data = new (dtype === 'f32' ? Float32Array : Int32Array)(elementCount(shape));
        samples.forEach((sample, row) => data.set(rowOf(sample, name), (row * data.length) / batch));
        return [name, { dtype, shape, data } satisfies HostTensor] as const;
      });
      const [logits] = Object.values(await session.run(Object.fromEntries(feeds))) as Float32Array[];
      const outputs = logits.length / batch;
      return samples.map((_, row) => logits.slice(row * outputs, (row + 1) * outputs));
    },
    close: () => session.close(),
  };
}

/** A mask has a 1 for each of the sample's own tokens; what is after them stays 0. */
function rowOf(sample: PeerInput, name: string): Float32Array | Int32Array {
  const values = sample as Exclude<PeerInput, string>;
  return name === 'mask' ? new Float32Array(values.ids.length).fill(1) : values[name];
}

async function runtimeOf(name: OnnxModel['runtime']): Promise<OnnxRuntime> {
  // Both are there: who started this process has looked.
  if (name === 'web') return webRuntime(1)!;
  return nativeRuntime({ stderr: process.stderr, signal: new AbortController().signal });
}
