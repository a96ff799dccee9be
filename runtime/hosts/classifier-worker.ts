// A thread of the classifier pool: one classifier, which answers one input a message.
import { parentPort, workerData } from 'node:worker_threads';
import { ArtifactError } from '../artifact/errors.ts';
import { isPreprocessError, PreprocessError } from '../preprocess/error.ts';
import { nodeDecoders } from './node-decoders.ts';
import type { WorkerAnswer, WorkerData, WorkerQuestion } from './node-pool.ts';
import { createTaskClassifier } from './task-classifier.ts';

const port = parentPort;
if (port === null) throw new Error('classifier-worker runs as a worker thread only');
const post = (answer: WorkerAnswer): void => port.postMessage(answer);

try {
  const { artifact, kernels, assets } = workerData as WorkerData;
  const classifier = await createTaskClassifier(artifact, kernels, nodeDecoders(new URL(assets)));
  port.on('message', ({ input, topK }: WorkerQuestion) => {
    classifier.classify(input, topK).then(
      (answer) => post({ answer }),
      (error: Error) =>
        post(isPreprocessError(error) ? { refused: error.message, code: error.code } : { failure: error.message }),
    );
  });
  post({ ready: true });
} catch (error) {
  if (!(error instanceof ArtifactError || error instanceof PreprocessError)) throw error;
  post({ unusable: error.message });
}
