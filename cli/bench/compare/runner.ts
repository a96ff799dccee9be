/** What computes in a peer's process: one interface, whatever the package behind it. */
import type { PeerInput } from './protocol.ts';

/** A model that is ready. */
export interface Runner {
  /** The logits of a batch, sample by sample. */
  answer(samples: readonly PeerInput[]): Promise<readonly Float32Array[]> | readonly Float32Array[];
  close(): Promise<void>;
}
