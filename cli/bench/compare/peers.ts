/** What `slim bench compare` runs beside an artifact: what each is called, what it needs, and how it is opened. */
import type { PeerInput, PeerModel } from './protocol.ts';
import type { CompareSample } from './samples.ts';

/** What --against takes: an engine, a precision and which model; or, of texts, what has no blocks at all. */
export const PEERS = [
  'native-f32-dense',
  'native-int8-dense',
  'native-f32-lowrank',
  'native-int8-lowrank',
  'web-f32-dense',
  'web-f32-lowrank',
  'tfidf',
  'embeddings',
] as const;
/** One of them. */
export type PeerName = (typeof PEERS)[number];

/** What a call takes: how many samples, and of texts how long they are, and whether shorter ones may be padded to it. */
export interface CallShape {
  readonly batch: number;
  /** Null for pictures. */
  readonly tokens: number | null;
  readonly padded: boolean;
}

/** What has to be there to run a peer, beside its model. */
export interface Installed {
  readonly bytes: number;
  /** In words. */
  readonly what: string;
}

/** One way to answer, Slim's own among them. */
export interface Peer {
  readonly name: PeerName | 'slim';
  /** What computes, such as `onnxruntime-node 1.30.0`. */
  readonly engine: string;
  readonly parameters: number;
  /** Of one sample, a text of the model's longest; null where nothing is a matrix product. */
  readonly macs: number | null;
  /** Of its file. */
  readonly modelBytes: number;
  readonly installed: Installed;
  /** Whether it runs where code is JavaScript and WebAssembly modules only, such as Cloudflare's workers. */
  readonly runsOnWorkers: boolean;
  /** Its logits can be compared number by number; of others only what they answer. */
  readonly sameLogits: boolean;
  /** As its own model takes them, in the order of the data's. */
  readonly samples: readonly CompareSample[];
  /** What a process has to open for calls of that shape. Of the files that it makes only the last stays. */
  modelFor(shape: CallShape): Promise<PeerModel>;
  /** What it is given for a sample, by its place; with `tokens` a text that was brought to about that length. */
  inputOf(place: number, tokens: number | null): PeerInput;
}

/** A peer that can't be in this run. */
export interface LeftOut {
  readonly name: PeerName;
  readonly why: string;
}
