// AWS Lambda, behind a function URL: the web API of the artifact beside this file, or of the one in S3 that the
// environment names. What is at the top runs once for each execution environment, before its first request.
import { readFile } from 'node:fs/promises';
import { handle, type LambdaEvent } from 'hono/aws-lambda';
import { readArtifact } from '../../runtime/artifact/artifact.ts';
import { lambdaMemory, pictureLimits } from '../../runtime/hosts/memory.ts';
import { loadKernels } from '../../runtime/hosts/node.ts';
import { nodeDecoders } from '../../runtime/hosts/node-decoders.ts';
import { optionsFrom } from '../../runtime/hosts/settings.ts';
import { createTaskClassifier } from '../../runtime/hosts/task-classifier.ts';
import { createApp } from '../../runtime/http/app.ts';

const here = new URL('.', import.meta.url);
const { SLIM_BUCKET: bucket, SLIM_ARTIFACT_KEY: key, SLIM_ARTIFACT_BYTES: bytes } = process.env;

const [file, kernels, page] = await Promise.all([
  bucket && key
    ? import('./s3-artifact.ts').then(({ readFromS3 }) => readFromS3(bucket, key, Number(bytes)))
    : readFile(new URL('model.slim', here)),
  loadKernels(here),
  readFile(new URL('page.html', here), 'utf8'),
]);
const artifact = await readArtifact(file);
const memory = lambdaMemory(Number(process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE));
const classifier = await createTaskClassifier(artifact, kernels, nodeDecoders(here), pictureLimits(artifact, memory));
const app = createApp(classifier, {
  ...optionsFrom(process.env),
  page,
  log: (entry) => console.log(JSON.stringify(entry)),
});

interface LambdaFacts {
  readonly requestContext: { readonly http?: { readonly sourceIp: string } };
}

/**
 * What Lambda calls with each event of a function URL (payload format 2.0). Rate limits count the address that AWS saw.
 */
export const handler: (event: LambdaEvent) => Promise<unknown> = handle({
  fetch: (request: Request, { requestContext }: LambdaFacts) =>
    app.fetch(request, { client: requestContext.http?.sourceIp }),
} as Parameters<typeof handle>[0]);
