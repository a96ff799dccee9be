/** Tensors of the WebGPU provider: on the host as they were given, on the device from their first run on. */
import type * as ort from 'onnxruntime-node';
import type { DType, Shape } from '../../graph/graph.ts';
import type { DeviceTensor, HostValues } from '../engine.ts';
import { Retained } from '../retained.ts';

/** The memories that a tensor may lie in, as onnxruntime calls them. */
export type Location = 'cpu' | 'gpu-buffer';

/** A tensor, and who is to hear that it was disposed of: the session that made it, which has to outlive it. */
export interface Held {
  readonly tensor: ort.Tensor;
  release(): void;
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

/** Values where they were last needed. They outlive `dispose` for as long as a run that was given them has not begun. */
export class WebgpuTensor extends Retained implements DeviceTensor {
  readonly dtype: DType;
  readonly shape: Shape;
  private readonly move: Move;
  private place: Promise<Held>;

  constructor(held: Held, dtype: DType, move: Move) {
    super();
    this.dtype = dtype;
    this.shape = held.tensor.dims;
    this.move = move;
    this.place = Promise.resolve(held);
  }

  /** The tensor as a run takes it, for whoever is `using` it. */
  async feed(): Promise<ort.Tensor> {
    this.place = this.place.then((held) => this.brought(held));
    return (await this.place).tensor;
  }

  read(): Promise<HostValues> {
    return this.using(async () => {
      const { tensor } = await this.place;
      if (tensor.location === 'cpu') return tensor.data as HostValues;
      // onnxruntime-node has no download of its own: a program whose output lies on the host is one.
      const copy = await this.move(tensor, this.dtype, 'cpu');
      copy.release();
      return copy.tensor.data as HostValues;
    });
  }

  private async brought(held: Held): Promise<Held> {
    const { tensor } = held;
    if (tensor.location === homeOf(this.dtype) || tensor.size <= SENT_WITH_RUN) return held;
    return this.move(tensor, this.dtype, 'gpu-buffer');
  }

  protected free(): void {
    this.place.then(
      ({ tensor, release }) => {
        tensor.dispose();
        release();
      },
      () => undefined, // it could not be moved, which has failed the run that wanted it
    );
  }
}
