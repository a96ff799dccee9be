/** ONNX files on onnxruntime, asked as other programs ask them. */
import type * as ort from 'onnxruntime-node';
import { loadOnnxruntime } from '../../cli/engines/onnx/native.ts';
import type { Inputs } from '../../runtime/engine/engine.ts';
import { engineIo } from './engines.ts';

/** An open file. */
export interface OnnxFile {
  readonly inputs: readonly string[];
  /** The logits of samples that are asked together; texts are padded to the longest. */
  ask(samples: readonly Inputs[]): Promise<number[][]>;
  close(): Promise<void>;
}

type Values = Readonly<Record<string, Float32Array | Int32Array | undefined>>;

/** Opens a file's bytes; pictures are of that shape (channels, height, width). */
export async function openOnnx(bytes: Uint8Array, picture: readonly number[] = []): Promise<OnnxFile> {
  const api = await loadOnnxruntime(engineIo);
  const session = await api.InferenceSession.create(bytes, { intraOpNumThreads: 1 });
  const integers = (rows: readonly Int32Array[], tokens: number): ort.Tensor =>
    new api.Tensor(
      'int64',
      BigInt64Array.from(
        rows.flatMap((row) => [...row, ...new Int32Array(tokens - row.length)]),
        BigInt,
      ),
      [rows.length, tokens],
    );
  const texts = (samples: readonly Values[]): Record<string, ort.Tensor> => {
    const ids = samples.map((sample) => sample.ids as Int32Array);
    const tokens = Math.max(...ids.map(({ length }) => length));
    const of = (name: string, value: (sample: Values, i: number) => Int32Array) =>
      session.inputNames.includes(name) ? { [name]: integers(samples.map(value), tokens) } : {};
    return {
      input_ids: integers(ids, tokens),
      attention_mask: integers(
        ids.map(({ length }) => new Int32Array(length).fill(1)),
        tokens,
      ),
      ...of('token_type_ids', ({ types }) => types as Int32Array),
    };
  };
  const pictures = (samples: readonly Values[]): Record<string, ort.Tensor> => ({
    pixel_values: new api.Tensor('float32', Float32Array.from(samples.flatMap(({ pixels }) => [...pixels!])), [
      samples.length,
      ...picture,
    ]),
  });
  return {
    inputs: session.inputNames,
    async ask(samples) {
      const given = samples as readonly Values[];
      const { logits } = await session.run('pixels' in samples[0] ? pictures(given) : texts(given));
      const [rows, classes] = logits.dims;
      const values = [...(logits.data as Float32Array)];
      return Array.from({ length: rows }, (_, i) => values.slice(i * classes, (i + 1) * classes));
    },
    close: () => session.release(),
  };
}
