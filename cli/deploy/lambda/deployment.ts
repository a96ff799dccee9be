/** A model on AWS Lambda: how it gets there, what is there, how it goes back to what was before, and away. */
import { messageOf, UserError, usageError } from '../../io/errors.ts';
import type { Io } from '../../io/io.ts';
import { createProgress } from '../../io/progress.ts';
import { type SmokeTest, smokeTestOf } from '../smoke.ts';
import { type AwsClients, createClients } from './clients.ts';
import {
  codeKey,
  type LambdaSettings,
  type LambdaTarget,
  modelKey,
  packageOf,
  parametersFor,
  readTemplate,
} from './files.ts';
import type { Package } from './package.ts';
import {
  applyStack,
  type Change,
  deleteStack,
  describeStack,
  outputsOf,
  type Parameters,
  parametersOf,
  previewStack,
  type StackContext,
} from './stack.ts';
import { type Bucket, deleteUnder, ensureBucket, putOnce } from './upload.ts';
import { publishVersion, smokeVersion } from './versions.ts';

/** What is there after a command: versions are Lambda's numbers, as texts. */
export interface Deployed {
  readonly name: string;
  readonly region: string;
  readonly account: string;
  /** Empty where none is served yet. */
  readonly liveVersion: string;
  /** The one that a rollback goes back to; none where there is only one. */
  readonly formerVersion: string | null;
  /** None where it was not asked for. */
  readonly url: string | null;
  readonly changed: boolean;
}

/**
 * Deploys an artifact. The order is what keeps the old version serving until the new one has answered:
 * upload → function's code (the alias stays) → publish a version → call it → move the alias to it.
 * Every step sees what is there already, so after a break the same command goes on. @throws UserError
 */
export async function deployLambda(artifactPath: string, settings: LambdaSettings, io: Io): Promise<Deployed> {
  const [files, smoke] = await Promise.all([packageOf(artifactPath, settings), smokeTestOf(artifactPath)]);
  const clients = await createClients(settings.region);
  const context = contextOf(clients, settings.name, io);
  const bucket = bucketOf(clients, settings);
  const before = await describeStack(context);
  const live = before && parametersOf(before);
  checkToken(settings, live);

  await ensureBucket(clients.s3, bucket);
  await sendFiles(clients, bucket, settings.name, files, io);
  const template = await readTemplate();
  const codeChange = await applyStack(context, template, parametersFor(settings, bucket, files));
  const version = await publishVersion(clients.lambda, settings.name, `artifact ${smoke.digest}`, io.signal);
  if (live?.LiveVersion !== version) await checkVersion(clients, settings, version, smoke, live?.LiveVersion ?? '', io);
  const aliasChange = await moveAlias(context, template, version);
  return {
    ...(await deployedOf(clients, context, settings.name)),
    changed: codeChange !== 'unchanged' || aliasChange !== 'unchanged',
  };
}

/**
 * What `deployLambda` would change in the stack, without changing anything. The alias follows in a second step, once
 * the new version has answered.
 */
export async function previewLambda(
  artifactPath: string,
  settings: LambdaSettings,
  io: Io,
): Promise<{ readonly changes: readonly Change[]; readonly template: unknown; readonly parameters: Parameters }> {
  const files = await packageOf(artifactPath, settings);
  const clients = await createClients(settings.region);
  const template = await readTemplate();
  const parameters = parametersFor(settings, bucketOf(clients, settings), files);
  return {
    changes: await previewStack(contextOf(clients, settings.name, io), template, parameters),
    template: JSON.parse(template) as unknown,
    parameters,
  };
}

/** What is deployed under a name. @throws UserError where nothing is */
export async function statusOfLambda(
  target: LambdaTarget,
  io: Io,
): Promise<Deployed & { readonly stack: string; readonly parameters: Parameters }> {
  const clients = await createClients(target.region);
  const context = contextOf(clients, target.name, io);
  const stack = await existingStack(context, target.name);
  const { TokenDigest, ...parameters } = parametersOf(stack);
  return {
    ...(await deployedOf(clients, context, target.name)),
    changed: false,
    stack: stack.StackStatus!,
    parameters: { ...parameters, TokenDigest: TokenDigest ? 'set' : '' },
  };
}

/**
 * Moves the alias back to the version that it served before, once that has told that it is ready. Again, it goes
 * forward.
 */
export async function rollBackLambda(target: LambdaTarget, io: Io): Promise<Deployed> {
  const clients = await createClients(target.region);
  const context = contextOf(clients, target.name, io);
  const { LiveVersion, FormerVersion } = parametersOf(await existingStack(context, target.name));
  if (!FormerVersion)
    throw new UserError(
      `${target.name} has no version before ${LiveVersion || 'the first'}`,
      'Deploy the artifact that you want.',
    );
  await checkVersion(clients, target, FormerVersion, null, LiveVersion, io);
  await moveAlias(context, await readTemplate(), FormerVersion);
  return { ...(await deployedOf(clients, context, target.name)), changed: true };
}

/** Deletes all of it: function, URL, role, log, artifacts. The bucket stays. Returns what was there. */
export async function destroyLambda(
  target: LambdaTarget,
  io: Io,
): Promise<{ readonly stack: boolean; readonly objects: number }> {
  const clients = await createClients(target.region);
  const context = contextOf(clients, target.name, io);
  const stack = await describeStack(context);
  const bucket = bucketOf(clients, { bucket: stack ? parametersOf(stack).Bucket : undefined, ...target });
  return { stack: await deleteStack(context), objects: await deleteUnder(clients.s3, bucket, `${target.name}/`) };
}

function contextOf({ cloudFormation: client }: AwsClients, name: string, { signal, stderr }: Io): StackContext {
  return { client, stack: `slim-${name}`, signal, onEvent: (text) => createProgress(stderr, 'stack').line(text) };
}

function bucketOf({ account, region }: AwsClients, { bucket }: Pick<LambdaTarget, 'bucket'>): Bucket {
  return { name: bucket ?? `slim-${account}-${region}`, account, region };
}

async function existingStack(
  context: StackContext,
  name: string,
): Promise<NonNullable<Awaited<ReturnType<typeof describeStack>>>> {
  const stack = await describeStack(context);
  if (stack === null || stack.StackStatus === 'REVIEW_IN_PROGRESS')
    throw new UserError(`nothing is deployed under the name ${name} here`, 'Check --region and AWS_PROFILE.');
  return stack;
}

/** Who had to send a token so far must not find the door open because somebody forgot a flag. */
function checkToken({ name, access, withoutToken }: LambdaSettings, live: Parameters | null): void {
  if (live?.TokenDigest && access.tokenDigest === undefined && !withoutToken) {
    throw usageError(
      `${name} asks its clients for a token, and none is given now`,
      'Give it (--token, SLIM_TOKEN), or --without-token to let everybody in.',
    );
  }
}

async function sendFiles(
  { s3 }: AwsClients,
  bucket: Bucket,
  name: string,
  { zip, artifact }: Package,
  { stderr, signal }: Io,
): Promise<void> {
  const progress = createProgress(stderr, 'upload');
  try {
    for (const [key, blob] of [
      [codeKey(name, zip.sha256), zip],
      ...(artifact ? [[modelKey(name, artifact.sha256), artifact] as const] : []),
    ] as const) {
      const done = await putOnce(s3, bucket, key, blob, {
        signal,
        onProgress: (sent, total) => progress.update(sent, total, 'bytes'),
      });
      const size = `${(blob.bytes.length / 1e6).toFixed(2)} MB`;
      progress.line(`${done === 'sent' ? 'sent' : 'there already'}: ${bucket.name}/${key} (${size})`);
    }
  } finally {
    progress.end();
  }
}

async function checkVersion(
  { lambda }: AwsClients,
  { name, token }: LambdaTarget & Pick<Partial<LambdaSettings>, 'token'>,
  version: string,
  smoke: SmokeTest | null,
  live: string,
  { stderr }: Io,
): Promise<void> {
  try {
    await smokeVersion(lambda, name, version, smoke, token);
    createProgress(stderr, 'smoke').line(
      `version ${version} answers${smoke ? ' as this machine does' : ''}: the alias moves to it`,
    );
  } catch (error) {
    const hint = error instanceof UserError ? error.hint : '';
    throw new UserError(
      `version ${version} of ${name} failed its smoke request: ${messageOf(error)}`,
      `${live === '' ? 'Nothing is served yet.' : `Version ${live} goes on serving.`} ${hint}`.trim(),
    );
  }
}

/**
 * CloudFormation moves the alias, so that stack and function never disagree. The first time, alias and URL are made.
 */
async function moveAlias(
  context: StackContext,
  template: string,
  version: string,
): Promise<'created' | 'updated' | 'unchanged'> {
  const { LiveVersion } = parametersOf((await describeStack(context))!);
  return LiveVersion === version
    ? 'unchanged'
    : applyStack(context, template, { LiveVersion: version, FormerVersion: LiveVersion });
}

async function deployedOf(
  { region, account }: AwsClients,
  context: StackContext,
  name: string,
): Promise<Omit<Deployed, 'changed'>> {
  const stack = (await describeStack(context))!;
  const { LiveVersion, FormerVersion } = parametersOf(stack);
  return {
    name,
    region,
    account,
    liveVersion: LiveVersion,
    formerVersion: FormerVersion || null,
    url: outputsOf(stack).Url ?? null,
  };
}
