// The worker whose artifact is an object of a bucket of R2, too large for a module: read by the first request of an
// isolate, and checked by its digest.
import { readArtifact } from '../../runtime/artifact/artifact.ts';
import { createWorker, type Worker } from './worker.ts';

interface Env {
  readonly ARTIFACT: { get(key: string): Promise<{ arrayBuffer(): Promise<ArrayBuffer> } | null> };
  readonly ARTIFACT_KEY: string;
}

/** ARTIFACT is the bucket's binding, ARTIFACT_KEY the object's name. */
export default createWorker<Env>(async ({ ARTIFACT, ARTIFACT_KEY }) => {
  const object = await ARTIFACT.get(ARTIFACT_KEY);
  if (object === null) throw new Error(`the bucket has no ${ARTIFACT_KEY}`);
  return readArtifact(new Uint8Array(await object.arrayBuffer()));
}) satisfies Worker<Env>;
