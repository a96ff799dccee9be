/** What `slim bench compare` asks the processes of its peers, one each, and what they answer. */
import type { Shape } from '../../graph/graph.ts';

/** One sample as a peer takes it: a model's inputs, or of peers that read words the text itself. */
export type PeerInput = Readonly<Record<string, Float32Array | Int32Array>> | string;

/** What a process opens: files, and what is needed to use them. */
export type PeerModel =
  | { readonly kind: 'slim'; readonly artifact: string }
  | {
      readonly kind: 'onnx';
      readonly runtime: 'native' | 'web';
      readonly file: string;
      /** Of the whole batch, by name. */
      readonly inputs: Readonly<Record<string, { readonly dtype: 'f32' | 'i32'; readonly shape: Shape }>>;
      /** Samples a call. */
      readonly batch: number;
    }
  /** A file of a `TextModel`, or of a `WordScores`. */
  | { readonly kind: 'tfidf' | 'embeddings'; readonly file: string };

/** What a process is asked. */
export type PeerRequest =
  /** Whatever was open before is closed. */
  | { readonly ask: 'open'; readonly model: PeerModel }
  /** Answers all samples, `batch` at a time. */
  | { readonly ask: 'answer'; readonly samples: readonly PeerInput[]; readonly batch: number }
  /** Answers the samples as one batch, again and again for so long, at least once. */
  | { readonly ask: 'time'; readonly samples: readonly PeerInput[]; readonly ms: number }
  | { readonly ask: 'memory' };

/** Calls that were timed one by one, and the processor time of all of them together, on all threads. */
export interface Timed {
  readonly times: readonly number[];
  readonly cpuMs: number;
}

/** What a request is answered with. */
export interface PeerReplies {
  /** Milliseconds from nothing to a model that can answer: its package loaded, its file read. */
  readonly open: number;
  /** (K) logits a sample. */
  readonly answer: readonly Float32Array[];
  readonly time: Timed;
  /** Bytes of the process that lie in memory, Node's own included. */
  readonly memory: number;
}
