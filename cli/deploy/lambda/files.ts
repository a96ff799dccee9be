/**
 * What is sent to AWS for a model: the package, the template and its parameters; and the same as files, for those who
 * send it themselves.
 */
import { readFile } from 'node:fs/promises';
import { bytesLeft, lambdaMemory } from '../../../runtime/hosts/memory.ts';
import type { AppOptions } from '../../../runtime/http/app.ts';
import { openArtifact } from '../../io/artifact.ts';
import { builtAsset } from '../../io/assets.ts';
import { usageError } from '../../io/errors.ts';
import type { DeployFiles } from '../folder.ts';
import { type ArtifactPlace, createPackage, type Package, placeFor } from './package.ts';
import type { Parameters } from './stack.ts';
import type { Bucket } from './upload.ts';

/**
 * Where a deployment is. The region is the profile's unless given, the bucket one of its own for account and region.
 */
export interface LambdaTarget {
  readonly name: string;
  readonly region?: string;
  readonly bucket?: string;
}

/**
 * What is deployed there, and how. Absent limits are the app's defaults; `withoutToken` takes away one that an earlier
 * deployment set.
 */
export interface LambdaSettings extends LambdaTarget {
  readonly architecture: 'arm64' | 'x86_64';
  readonly memoryMb: number;
  readonly timeoutSeconds: number;
  readonly urlAccess: 'public' | 'iam' | 'none';
  /** Where the artifact goes; by its size unless given. */
  readonly place?: ArtifactPlace;
  /** For the smoke request; the function gets its digest. */
  readonly token?: string;
  readonly withoutToken: boolean;
  readonly access: Pick<AppOptions, 'tokenDigest' | 'ratePerMinute' | 'corsOrigins' | 'maxBodyBytes'>;
}

/** A function takes 6 MB, its body in base64 and with what Lambda tells of the request. */
const MAX_BODY_BYTES = 4_600_000;

/** What has to be left for requests, with a picture of a megapixel. */
const LEAST_BYTES = 16e6;

/** The zip and, where it goes by itself, the artifact. @throws UserError where the function could not run it */
export async function packageOf(
  artifactPath: string,
  { place, memoryMb, access: { maxBodyBytes = 0 } }: LambdaSettings,
): Promise<Package> {
  if (maxBodyBytes > MAX_BODY_BYTES)
    throw usageError(`--max-body-bytes ${maxBodyBytes}: a Lambda function takes at most ${MAX_BODY_BYTES}`);
  const artifact = await openArtifact(artifactPath); // refuses what is none
  const missingBytes = LEAST_BYTES - bytesLeft(artifact, lambdaMemory(memoryMb));
  if (missingBytes > 0)
    throw usageError(
      `--memory ${memoryMb}: too little for this artifact`,
      `Give it ${memoryMb + Math.ceil(missingBytes / 1024 ** 2)} or more.`,
    );
  return createPackage(await readFile(artifactPath), place ?? placeFor(artifact.fileBytes));
}

/** The CloudFormation template, JSON, as it was built. */
export const readTemplate = (): Promise<string> => readFile(builtAsset('lambda/template.json'), 'utf8');

/** Where the function's zip lies in the bucket; the digest is hexadecimal. */
export const codeKey = (name: string, sha256: string): string => `${name}/code-${sha256}.zip`;
/** The template lets the function read what begins like this. */
export const modelKey = (name: string, sha256: string): string => `${name}/model-${sha256}.slim`;

/** The alias's parameters are not among them: they keep their values. */
export function parametersFor(
  { name, architecture, memoryMb, timeoutSeconds, urlAccess, access }: LambdaSettings,
  bucket: Pick<Bucket, 'name'>,
  { zip, artifact }: Package,
): Parameters {
  return {
    Name: name,
    Bucket: bucket.name,
    CodeKey: codeKey(name, zip.sha256),
    ArtifactKey: artifact ? modelKey(name, artifact.sha256) : '',
    ArtifactBytes: artifact ? `${artifact.bytes.length}` : '',
    Architecture: architecture,
    MemorySize: `${memoryMb}`,
    Timeout: `${timeoutSeconds}`,
    UrlAccess: urlAccess,
    TokenDigest: access.tokenDigest ?? '',
    RateLimit: `${access.ratePerMinute ?? ''}`,
    CorsOrigins: (access.corsOrigins ?? []).join(' '),
    MaxBodyBytes: `${access.maxBodyBytes ?? ''}`,
    // The app's own answer (504) comes before Lambda's.
    DeadlineMs: `${1000 * timeoutSeconds - 500}`,
  };
}

/** All that would be sent to AWS, as files by name; nothing is asked of AWS. */
export async function filesOfLambda(artifactPath: string, settings: LambdaSettings): Promise<DeployFiles> {
  const files = await packageOf(artifactPath, settings);
  const bucket = { name: settings.bucket ?? 'BUCKET' };
  const parameters = Object.entries(parametersFor(settings, bucket, files)).map(([ParameterKey, ParameterValue]) => ({
    ParameterKey,
    ParameterValue,
  }));
  return {
    'code.zip': files.zip.bytes,
    ...(files.artifact && { 'model.slim': files.artifact.bytes }),
    'template.json': await readTemplate(),
    'parameters.json': `${JSON.stringify(parameters, null, 2)}\n`,
    'README.md': readme(settings, bucket.name, files),
  };
}

/** What a function URL makes of `GET /readyz`, as little of it as the function needs. */
const READY = {
  version: '2.0',
  rawPath: '/readyz',
  rawQueryString: '',
  headers: {},
  requestContext: { domainName: 'x', http: { method: 'GET', path: '/readyz' } },
};

/** The steps of `slim deploy`, with AWS's own command line. */
function readme({ name }: LambdaSettings, bucket: string, { zip, artifact }: Package): string {
  const put = (file: string, key: string): string =>
    `aws s3api put-object --bucket ${bucket} --key ${key} --body ${file} --if-none-match '*'`;
  const puts = [
    put('code.zip', codeKey(name, zip.sha256)),
    ...(artifact ? [put('model.slim', modelKey(name, artifact.sha256))] : []),
  ];
  const deploy =
    `aws cloudformation deploy --stack-name slim-${name} --template-file template.json ` +
    '--capabilities CAPABILITY_IAM --parameter-overrides';
  return `# ${name}

A compressed classifier for AWS Lambda. Written by \`slim deploy\`, which does the following by itself. \
${bucket === 'BUCKET' ? 'BUCKET is a bucket of yours, here and in parameters.json.' : ''}

\`\`\`sh
${puts.join('\n')}
${deploy} file://parameters.json
aws lambda publish-version --function-name ${name}     # tells its number, VERSION
aws lambda invoke --function-name ${name}:VERSION --cli-binary-format raw-in-base64-out \\
  --payload '${JSON.stringify(READY)}' /dev/stdout
${deploy} LiveVersion=VERSION
aws cloudformation describe-stacks --stack-name slim-${name} --query 'Stacks[0].Outputs'
\`\`\`

The alias \`live\` and its URL serve VERSION from the last step but one on.
`;
}
