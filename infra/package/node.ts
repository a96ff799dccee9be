/** `slim-transformer/node`: classifying in a Node process, on this thread or on a pool of threads, and serving. */
import { loadArtifact } from '../../runtime/hosts/node.ts';
import { createNodeClassifier, type NodeClassifier } from '../../runtime/hosts/node-classifier.ts';

export type { ModelInput } from '../../runtime/hosts/model-input.ts';
export type { NodeClassifier } from '../../runtime/hosts/node-classifier.ts';
export { type FetchApp, type ListenOptions, type RunningServer, serve } from '../../runtime/hosts/node-server.ts';
export type { Answer, ModelInfo, Prediction } from '../../runtime/http/classifier.ts';
export type { TextInput } from '../../runtime/http/text-input.ts';

/** Of `loadClassifier`. */
export interface ClassifierOptions {
  /** Threads that classify, each with the weights in a memory of its own; 0, unless given: the calling thread alone. */
  readonly workers?: number;
  /**
   * Where the package's `dist/` is; beside this module unless given. Bundlers move modules, and leave WebAssembly and
   * workers where they were.
   */
  readonly assets?: URL;
}

/**
 * Loads a `.slim` file as a classifier: `classify(input, topK)` answers a picture's bytes (JPEG, PNG, WebP) or a text,
 * `{ text, pair: null }`. `close()` ends its threads.
 * @throws ArtifactError saying what is wrong with the file, or the system's error where it can't be read.
 */
export async function loadClassifier(
  file: string | URL,
  { workers = 0, assets = new URL('../', import.meta.url) }: ClassifierOptions = {},
): Promise<NodeClassifier> {
  return createNodeClassifier(await loadArtifact(file), { workers, assets });
}
