/** Tensors of the WebGPU provider: on the host as they were given, on the device from their first run on. */
import type * as ort from 'onnxruntime-node';
import type { DType, Shape } from '../../graph/graph.ts';
import type { DeviceTensor, HostValues } from '../engine.ts';

/** The memories that a tensor may lie in, as onnxruntime calls them. */
export type Location = 'cpu' | 'gpu-buffer';

/** A tensor, and whom to tell when it is no longer used. */
export interface Held {
  readonly tensor: ort.Tensor;
  readonly release: () => void;
}

/** Moves a tensor of any shape, to the device or from it. */
export type Move = (tensor: ort.Tensor, dtype: DType, to: Location) => Promise<Held>;

/** The largest input that goes along with each run: scalars, labels. What is larger is sent once and stays. */
const SENT_WITH_RUN = 1024;

/**
 * Where the values of a dtype lie between runs. WebGPU has no buffers of bytes: pictures, which are new in each run
 * anyway, go along with it.
 */
export function homeOf(dtype: DType): Location {
  return dtype === 'u8' ? 'cpu' : 'gpu-buffer';
}

/** Values where they were last needed. */
export class WebgpuTensor implements DeviceTensor {
  readonly dtype: DType;
  readonly shape: Shape;
  private readonly move: Move;
  private place: Promise<Held>;
  private isDisposed = false;

  constructor(held: Held, dtype: DType, move: Move) {
    this.dtype = dtype;
    this.shape = held.tensor.dims;
    this.move = move;
    this.place = Promise.resolve(held);
  }

  /** The tensor as a run takes it. */
  async feed(): Promise<ort.Tensor> {
    this.place = this.place.then((held) =>
      held.tensor.location !== homeOf(this.dtype) && held.tensor.size > SENT_WITH_RUN
        ? this.move(held.tensor, this.dtype, 'gpu-buffer')
        : held,
    );
    return (await this.place).tensor;
  }

  async read(): Promise<HostValues> {
    const { tensor } = await this.place;
    // onnxruntime-node has no download of its own: a program whose output lies on the host is one.
    const here = tensor.location === 'cpu' ? null : await this.move(tensor, this.dtype, 'cpu');
    here?.release();
    return (here?.tensor ?? tensor).data as HostValues;
  }

  dispose(): void {
    if (this.isDisposed) return;
    this.isDisposed = true;
    this.place.then(
      ({ tensor, release }) => {
        tensor.dispose();
        release();
      },
      () => undefined, // it could not be moved, which has failed the run that wanted it
    );
  }
}
