// The worker whose artifact is one of its modules. It is checked while the isolate starts, so that a spoiled one can't
// be deployed, and no request pays for it.
import { readArtifact } from '../../runtime/artifact/artifact.ts';
import bytes from './model.slim';
import { createWorker, type Worker } from './worker.ts';

const artifact = await readArtifact(new Uint8Array(bytes));

/** Needs no bindings. */
export default createWorker(() => artifact) satisfies Worker<object>;
