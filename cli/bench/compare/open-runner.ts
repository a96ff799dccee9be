/** From what a process is told to open to what computes. */
import type { PeerModel } from './protocol.ts';
import type { Runner } from './runner.ts';

/** Loads what the model needs, and nothing else: loading is a part of what is measured. */
export async function openRunner(model: PeerModel): Promise<Runner> {
  switch (model.kind) {
    case 'slim': {
      const { openSlimRunner } = await import('./slim-runner.ts');
      return openSlimRunner(model.artifact);
    }
    case 'onnx': {
      const { openOnnxRunner } = await import('./onnx-runner.ts');
      return openOnnxRunner(model);
    }
    case 'tfidf':
    case 'embeddings': {
      const { openTfidfRunner, openEmbeddingsRunner } = await import('./linear-runners.ts');
      return (model.kind === 'tfidf' ? openTfidfRunner : openEmbeddingsRunner)(model.file);
    }
    default:
      return model satisfies never;
  }
}
