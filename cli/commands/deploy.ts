import { createInterface } from 'node:readline/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { addResultOptions, createCommand, integer, resolveFlags } from '../args.ts';
import type { WorkerArtifactPlace } from '../deploy/cloudflare/project.ts';
import type { DeployFiles } from '../deploy/folder.ts';
import type { Deployed } from '../deploy/lambda/deployment.ts';
import type { LambdaSettings } from '../deploy/lambda/files.ts';
import type { ArtifactPlace } from '../deploy/lambda/package.ts';
import type { ServerHost } from '../deploy/server-hosts.ts';
import { usageError } from '../io/errors.ts';
import type { Io } from '../io/io.ts';
import { type AccessFlags, accessFlags, addAccessOptions } from './access.ts';
import { facts, printResult, table } from './result.ts';

const TARGETS = ['lambda', 'cloudflare', 'node', 'bun', 'deno'] as const;

type Target = (typeof TARGETS)[number];

/** Where an artifact may lie, by target; in its first place unless it is too large for that, or told. */
const PLACES: Readonly<Record<Target, readonly string[]>> = {
  lambda: ['zip', 's3'],
  cloudflare: ['module', 'bucket'],
  node: [],
  bun: [],
  deno: [],
};

interface DeployFlags extends AccessFlags {
  readonly to?: Target;
  readonly name?: string;
  readonly emit?: string;
  readonly overwrite: boolean;
  readonly dryRun: boolean;
  readonly status?: string;
  readonly rollback?: string;
  readonly destroy?: string;
  readonly yes: boolean;
  readonly region?: string;
  readonly bucket?: string;
  readonly memory: number;
  readonly timeout: number;
  readonly arch: 'arm64' | 'x86_64';
  readonly url: 'public' | 'iam' | 'none';
  readonly artifactIn?: ArtifactPlace | WorkerArtifactPlace;
  readonly wrangler?: string;
  readonly withoutToken: boolean;
  readonly json: boolean;
}

/** `slim deploy`, and the three that need no artifact: `--status`, `--rollback` and `--destroy`. */
export function deployCommand(io: Io): Command {
  const command = createCommand(
    'deploy',
    'put an artifact behind HTTP in your own account, or write what that takes',
    `Deploys an artifact as a web API, the same that slim serve answers with:

  lambda      AWS Lambda behind a function URL, through CloudFormation. The new
              version is called and compared with what this machine answers,
              and only then the alias moves to it
  cloudflare  a worker, through wrangler
  node        a folder with a server, a Dockerfile and a systemd unit; bun and
              deno likewise

Running it again changes nothing, or goes on where a run was stopped. Credentials
come from where AWS's and Cloudflare's own tools take them (AWS_PROFILE,
CLOUDFLARE_API_TOKEN ...).`,
    [
      'slim deploy cats.slim --to lambda --name cats --url public',
      'slim deploy cats.slim --to lambda --name cats --dry-run',
      'slim deploy --status cats',
      'slim deploy --rollback cats',
      'slim deploy --destroy cats',
      'slim deploy cats.slim --to cloudflare --name cats',
      'slim deploy cats.slim --to node --name cats --emit cats-server/',
    ],
  )
    .argument('[artifact]', 'a .slim file')
    .optionsGroup('What:')
    .addOption(new Option('--to <target>', 'where to').choices(TARGETS))
    .addOption(new Option('--name <name>', 'of what is made there').argParser(deploymentName))
    .option('--emit <dir>', 'only write the files, and send nothing anywhere')
    .option('--overwrite', 'with --emit: replace what slim wrote there before')
    .option('--dry-run', 'lambda: show the template and what would change')
    .addOption(new Option('--status <name>', 'lambda: what is deployed').argParser(deploymentName))
    .addOption(new Option('--rollback <name>', 'lambda: serve the version before').argParser(deploymentName))
    .addOption(new Option('--destroy <name>', 'lambda: delete all of it').argParser(deploymentName))
    .option('--yes', "with --destroy: don't ask")
    .optionsGroup('Lambda:')
    .option('--region <name>', 'AWS region')
    .option('--bucket <name>', 'for code and large artifacts; made where there is none (default: slim-ACCOUNT-REGION)')
    .addOption(
      new Option('--memory <MB>', 'a whole processor comes with 1769').argParser(integer(128, 10_240)).default(1769),
    )
    .addOption(new Option('--timeout <seconds>', 'longest request').argParser(integer(1, 900)).default(30))
    .addOption(new Option('--arch <name>', 'processor').choices(['arm64', 'x86_64']).default('arm64'))
    .addOption(
      new Option('--url <access>', 'who may call the function URL: everybody, or callers with IAM credentials')
        .choices(['public', 'iam', 'none'])
        .default('iam'),
    )
    .option('--without-token', 'let everybody in to what asked for a token so far')
    .optionsGroup('Lambda and Cloudflare:')
    .addOption(
      new Option('--artifact-in <place>', 'lambda: the zip or s3; cloudflare: a module, or a bucket of R2')
        .choices([...PLACES.lambda, ...PLACES.cloudflare])
        .default(undefined, 'zip up to 50 MB, else s3; module'),
    )
    .option('--wrangler <path>', 'cloudflare: the program (default: the one that is installed, else npx)');
  addAccessOptions(command);
  addResultOptions(command);
  return command.action(async (artifact: string | undefined) =>
    runDeploy(artifact, await resolveFlags<DeployFlags>(command), io),
  );
}

/** `slim deploy` */
async function runDeploy(artifact: string | undefined, flags: DeployFlags, io: Io): Promise<void> {
  const asked = (['status', 'rollback', 'destroy'] as const).filter((name) => flags[name] !== undefined);
  if (asked.length > 1) throw usageError(`--${asked[0]} and --${asked[1]} are two things to do`, 'Give one of them.');
  const [manage] = asked;
  if (manage === undefined) return deployArtifact(artifact, flags, io);
  if (artifact !== undefined || flags.to !== undefined)
    throw usageError(
      `--${manage} ${flags[manage]} takes no artifact and no --to`,
      `slim deploy --${manage} ${flags[manage]}`,
    );
  return manageLambda(manage, flags[manage]!, flags, io);
}

async function deployArtifact(artifact: string | undefined, flags: DeployFlags, io: Io): Promise<void> {
  const { to, name } = flags;
  if (artifact === undefined)
    throw usageError('no artifact is given', 'slim deploy model.slim --to lambda --name NAME');
  if (to === undefined || name === undefined)
    throw usageError(
      `--${to === undefined ? 'to' : 'name'} is missing`,
      `slim deploy ${artifact} --to ${to ?? 'lambda'} --name ${name ?? 'NAME'}`,
    );
  if (flags.dryRun && to !== 'lambda')
    throw usageError(`--dry-run is for lambda; for ${to}, --emit DIR shows what would be sent`);
  if (flags.artifactIn !== undefined && !PLACES[to].includes(flags.artifactIn))
    throw usageError(
      `--artifact-in ${flags.artifactIn} is nothing that ${to} has`,
      PLACES[to].length > 0 ? `It has: ${PLACES[to].join(', ')}.` : '',
    );
  if (flags.emit !== undefined) return emit(to, flags.emit, await filesFor(artifact, to, name, flags), flags, io);
  switch (to) {
    case 'lambda':
      return deployToLambda(artifact, await lambdaSettings(name, flags), flags, io);
    case 'cloudflare':
      return deployToCloudflare(artifact, name, flags, io);
    case 'node':
    case 'bun':
    case 'deno':
      throw usageError(
        `for ${to}, a folder is written, and none is named`,
        `slim deploy ${artifact} --to ${to} --name ${name} --emit ${name}/`,
      );
    default:
      return to satisfies never;
  }
}

/** All files that deploying there would send. */
async function filesFor(artifact: string, to: Target, name: string, flags: DeployFlags): Promise<DeployFiles> {
  if (to === 'lambda') {
    const { filesOfLambda } = await import('../deploy/lambda/files.ts');
    return filesOfLambda(artifact, await lambdaSettings(name, flags));
  }
  if (to === 'cloudflare') {
    const { cloudflareProject } = await import('../deploy/cloudflare/project.ts');
    return (
      await cloudflareProject(artifact, {
        name,
        access: await accessFlags(flags),
        place: flags.artifactIn as WorkerArtifactPlace | undefined,
      })
    ).files;
  }
  const { filesOfServer } = await import('../deploy/server.ts');
  return filesOfServer(to satisfies ServerHost, artifact, { name, access: await accessFlags(flags) });
}

async function emit(
  to: Target,
  folder: string,
  files: DeployFiles,
  { overwrite, json }: DeployFlags,
  io: Io,
): Promise<void> {
  const { writeDeployFolder } = await import('../deploy/folder.ts');
  await writeDeployFolder(folder, to, files, overwrite);
  const names = Object.keys(files).sort();
  printResult(
    io,
    json,
    { target: to, folder, files: names },
    `wrote ${folder}: ${names.join(', ')}\nits README.md says how to go on`,
  );
}

async function deployToCloudflare(artifact: string, name: string, flags: DeployFlags, io: Io): Promise<void> {
  const { deployCloudflare } = await import('../deploy/cloudflare/deployment.ts');
  const deployed = await deployCloudflare(
    artifact,
    {
      name,
      access: await accessFlags(flags),
      place: flags.artifactIn as WorkerArtifactPlace | undefined,
      token: flags.token,
      wrangler: flags.wrangler,
    },
    io,
  );
  const { url, versionId, checked } = deployed;
  printResult(
    io,
    flags.json,
    { ...deployed },
    `deployed\n${facts([
      ['name', name],
      ['version', versionId ?? 'unknown'],
      ['url', url ?? 'none'],
      ['checked', checked ? 'it answers as this machine does' : 'no: there is no URL to ask'],
    ])}`,
  );
}

async function lambdaSettings(name: string, flags: DeployFlags): Promise<LambdaSettings> {
  const { region, bucket, memory, timeout, arch, url, artifactIn, token, withoutToken } = flags;
  return {
    name,
    region,
    bucket,
    architecture: arch,
    memoryMb: memory,
    timeoutSeconds: timeout,
    urlAccess: url,
    place: artifactIn as ArtifactPlace | undefined,
    token,
    withoutToken,
    access: await accessFlags(flags),
  };
}

async function deployToLambda(
  artifact: string,
  settings: LambdaSettings,
  { dryRun, json }: DeployFlags,
  io: Io,
): Promise<void> {
  const lambda = await import('../deploy/lambda/deployment.ts');
  if (dryRun) {
    const { changes, template, parameters } = await lambda.previewLambda(artifact, settings, io);
    const rows = changes.map(({ action, resource, type, replacement }) => [
      action,
      resource,
      type,
      replacement ? 'made anew' : '',
    ]);
    const told =
      changes.length === 0
        ? 'nothing would change'
        : `${table(rows)}\n\nthen the new version is called, and the alias "live" moves to it`;
    return printResult(io, json, { changes, template, parameters }, `${JSON.stringify(template, null, 2)}\n\n${told}`);
  }
  const deployed = await lambda.deployLambda(artifact, settings, io);
  printResult(
    io,
    json,
    { ...deployed },
    `${deployed.changed ? 'deployed' : 'nothing changed'}\n${factsOf(deployed)}${hintsOf(settings, deployed)}`,
  );
}

async function manageLambda(
  manage: 'status' | 'rollback' | 'destroy',
  name: string,
  { region, bucket, yes, json, token }: DeployFlags,
  io: Io,
): Promise<void> {
  const lambda = await import('../deploy/lambda/deployment.ts');
  const target = { name, region, bucket, token };
  if (manage === 'destroy') {
    if (!yes) await confirm(`Delete ${name}: its function, URL, role, log and artifacts?`, io);
    const { stack, objects } = await lambda.destroyLambda(target, io);
    return printResult(
      io,
      json,
      { name, stack, objects },
      stack || objects > 0
        ? `deleted ${name}: ${stack ? 'the stack' : 'no stack'}, ${objects} objects`
        : `there was no ${name}`,
    );
  }
  if (manage === 'rollback') {
    const deployed = await lambda.rollBackLambda(target, io);
    return printResult(io, json, { ...deployed }, `rolled back\n${factsOf(deployed)}`);
  }
  const { stack, parameters, ...deployed } = await lambda.statusOfLambda(target, io);
  const set = Object.entries(parameters).filter(([, value]) => value !== '');
  printResult(
    io,
    json,
    { ...deployed, stack, parameters },
    `${factsOf(deployed)}\n${facts([['stack', stack], ...set])}`,
  );
}

function factsOf({ name, region, account, liveVersion, formerVersion, url }: Deployed): string {
  return facts([
    ['name', name],
    ['where', `${region}, account ${account}`],
    ['version', liveVersion || 'none yet'],
    ['before', formerVersion ?? 'none'],
    ['url', url ?? 'none'],
  ]);
}

function hintsOf({ urlAccess, access: { tokenDigest } }: LambdaSettings, { url }: Deployed): string {
  if (url === null) return '';
  if (urlAccess === 'iam')
    return '\ncall it with credentials: curl --aws-sigv4 aws:amz:REGION:lambda --user KEY:SECRET, or --url public';
  return tokenDigest === undefined ? '\nwhoever knows the URL can call it: --token SECRET asks for one' : '';
}

/** Asks on the terminal. @throws UserError where the answer is not yes, and where nobody can be asked */
async function confirm(question: string, io: Io): Promise<void> {
  if (!process.stdin.isTTY) throw usageError('nobody is there to be asked', 'Give --yes to do it without asking.');
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await prompt.question(`${question} [y/N] `, { signal: io.signal }).finally(() => prompt.close());
  if (!/^y(es)?$/i.test(answer.trim())) throw usageError('nothing was deleted');
}

/**
 * What is deployed under a name has it in the names of all it consists of, whose rules differ: this is what all of them
 * allow.
 */
function deploymentName(text: string): string {
  if (!/^[a-z][a-z0-9-]{0,38}[a-z0-9]$/.test(text))
    throw new InvalidArgumentError('Expected 2 to 40 small letters, digits and hyphens, a letter first.');
  return text;
}
