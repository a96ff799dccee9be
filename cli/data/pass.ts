/** One pass over a data set's part. */
export interface Pass {
  readonly batchSize: number;
  readonly seed: number;
  /** Which pass it is: orders and augmentations differ between epochs. 0 unless given. */
  readonly epoch?: number;
  /** A new order each epoch. Off unless asked for. */
  readonly shuffle?: boolean;
  /** Leaves out the last batch where it is not full. Off unless asked for. */
  readonly dropLast?: boolean;
}

/** How many batches one pass gives. */
export function batchCount(
  size: number,
  { batchSize, dropLast = false }: Pick<Pass, 'batchSize' | 'dropLast'>,
): number {
  return dropLast ? Math.floor(size / batchSize) : Math.ceil(size / batchSize);
}
