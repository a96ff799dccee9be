/**
 * A program of somebody who embeds the runtime, by every entry of the package: asks each for the same picture and the
 * same text, and prints what they answer as one JSON object. `node main.js PICTURES.slim PICTURE.png TEXTS.slim TEXT`
 */
import { readFile } from 'node:fs/promises';
import { Hono } from 'hono';
import { createApp } from 'slim-transformer/app';
import { type Artifact, ArtifactError, type Manifest, readArtifact } from 'slim-transformer/artifact';
import { type Decoders, decodePicture, isPreprocessError, jsquashDecoders } from 'slim-transformer/decoders';
import { createEdgeHandler, type HandlerOptions } from 'slim-transformer/edge';
import { createEdgeTextHandler } from 'slim-transformer/edge-text';
import { type Answer, loadClassifier, type NodeClassifier, serve } from 'slim-transformer/node';

const [pictureModel, pictureFile, textModel, text] = process.argv.slice(2);
const picture: Uint8Array = await readFile(pictureFile);

/** A file of the package, as hosts with files load it; others import it. */
async function wasm(name: string): Promise<WebAssembly.Module> {
  return WebAssembly.compile(await readFile(new URL(import.meta.resolve(`slim-transformer/${name}`))));
}

const decoders: Decoders = jsquashDecoders({
  jpeg: () => wasm('codec-jpeg.wasm'),
  png: () => wasm('codec-png.wasm'),
  webp: () => wasm('codec-webp.wasm'),
});

const post = (body: BodyInit, type: string): Request =>
  new Request('http://localhost/v1/predict?top_k=3', { method: 'POST', body, headers: { 'content-type': type } });

async function predictionsOf(answering: Response | Promise<Response>): Promise<Answer['predictions']> {
  const { predictions } = (await (await answering).json()) as Answer;
  return predictions;
}

async function classified(classifier: NodeClassifier): Promise<Answer['predictions']> {
  const { predictions } = await classifier.classify(picture, 3);
  await classifier.close();
  return predictions;
}

const artifact: Artifact = await readArtifact(await readFile(pictureModel));
const { labels, task, precision }: Manifest = artifact.manifest;
const refused = await readArtifact(new Uint8Array(9)).catch((error: unknown) =>
  error instanceof ArtifactError ? error.code : 'another error',
);

const options: HandlerOptions = { maxBodyBytes: 1_000_000 };
const edge = await createEdgeHandler(
  await readFile(pictureModel),
  await wasm('kernels.wasm'),
  (bytes) => decodePicture(bytes, decoders),
  options,
);
const edgeText = await createEdgeTextHandler(await readFile(textModel), await wasm('kernels.wasm'));
const broken = await decodePicture(new Uint8Array(9), decoders).catch((error: Error) =>
  isPreprocessError(error) ? error.code : 'another error',
);

// Mounted in an app of one's own, and served.
const classifier = await loadClassifier(pictureModel);
const own = new Hono().route('/pets', createApp(classifier));
const server = await serve(createApp(loadClassifier(textModel)), { port: 0 });
const texts = await loadClassifier(textModel, { workers: 1 });

const results = {
  artifact: { labels, task, precision, refused, broken },
  pictures: {
    edge: await predictionsOf(edge(post(picture as BodyInit, 'image/png'))),
    classifier: await classified(await loadClassifier(pictureModel)),
    pool: await classified(await loadClassifier(pictureModel, { workers: 2 })),
    mounted: await predictionsOf(
      own.request('/pets/v1/predict?top_k=3', {
        method: 'POST',
        body: picture as BodyInit,
        headers: { 'content-type': 'image/png' },
      }),
    ),
  },
  texts: {
    edge: await predictionsOf(edgeText(post(text, 'text/plain'))),
    pool: (await texts.classify({ text, pair: null }, 3)).predictions,
    served: await predictionsOf(
      fetch(`${server.url}/v1/predict?top_k=3`, {
        method: 'POST',
        body: text,
        headers: { 'content-type': 'text/plain' },
      }),
    ),
  },
};
await Promise.all([texts.close(), classifier.close(), server.close()]);
console.log(JSON.stringify(results));
