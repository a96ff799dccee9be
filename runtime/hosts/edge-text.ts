/** The web API of a model for texts on a host that has no files and no threads, but a `fetch` handler: workerd, Deno, Bun, a service worker. */
import { readArtifact } from '../artifact/artifact.ts';
import { createEngine } from '../engine/engine.ts';
import { createApp, type AppOptions } from '../http/app.ts';
import { createTextClassifier } from '../http/text-classifier.ts';

/**
 * Reads the artifact, makes its engine, its tokenizer and the app that answers with them: `app.fetch` is the host's handler.
 * @throws ArtifactError or PreprocessError saying what is wrong with the artifact.
 */
export async function createEdgeTextApp(artifactBytes: Uint8Array, kernels: WebAssembly.Module, options?: AppOptions): Promise<ReturnType<typeof createApp>> {
  const artifact = await readArtifact(artifactBytes);
  return createApp(await createTextClassifier(artifact, createEngine(artifact, kernels)), options);
}
