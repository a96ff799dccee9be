/**
 * Deploying while AWS fails, and after the command line was killed: what serves goes on serving, and the same command
 * finishes the job.
 */
import { spawn } from 'node:child_process';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openClassifier } from '../../cli/io/classifier.ts';
import { random } from '../../runtime/random.ts';
import { type Aws, administrator, environmentFor, startAws } from '../support/aws/aws.ts';
import type { Fault } from '../support/aws/faults.ts';
import { lambdaAbsent } from '../support/aws/lambda-runtime.ts';
import { slim, slimJson } from '../support/cli.ts';
import { SLIM } from '../support/process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { writePictureArtifact } from './artifacts.ts';

const KILLS = 10;
const SEED = Number(process.env.SLIM_KILL_SEED ?? 5);

const folder = temporaryFolder();
let artifacts: readonly string[];
let digests: readonly string[];
let aws: Aws;

beforeAll(async () => {
  artifacts = await Promise.all([writePictureArtifact(folder, 'low-rank'), writePictureArtifact(folder, 'dense')]);
  digests = await Promise.all(artifacts.map(async (artifact) => (await openClassifier(artifact)).info.digest));
});

/** Resources take long enough for a command to be killed meanwhile. */
beforeEach(async () => {
  aws = await startAws({ resourceMs: 40, changeSetMs: 40, pendingMs: 40 });
  Object.assign(process.env, environmentFor(aws, administrator));
  return () => aws.close();
});

const commandFor = (artifact: string): string[] => [
  'deploy',
  artifact,
  '--to',
  'lambda',
  '--name',
  'cats',
  '--url',
  'public',
  '--artifact-in',
  's3',
];

async function servedAt(url: string): Promise<string> {
  const response = await fetch(`${url}v1/model`);
  expect(response.status).toBe(200);
  return ((await response.json()) as { digest: string }).digest;
}

function expectNothingHalfDone(): void {
  const stacks = aws.stacks.filter(({ status }) => status !== 'DELETE_COMPLETE');
  expect(stacks.map(({ status }) => status)).toEqual([expect.stringMatching(/^(CREATE|UPDATE)_COMPLETE$/)]);
  const [liveVersion] = [...aws.functions.get('cats')!.aliases.values()];
  expect(liveVersion).toBe(stacks[0].current.parameters.LiveVersion);
}

describe.skipIf(lambdaAbsent !== null)(
  `deploying to Lambda${lambdaAbsent === null ? '' : ` (skipped: ${lambdaAbsent})`}`,
  () => {
    it.each<[string, (service: string) => Fault]>([
      ['a server error', () => ({ kind: 'status', status: 500, code: 'InternalFailure' })],
      [
        'throttling',
        (service) =>
          service === 's3'
            ? { kind: 'status', status: 503, code: 'SlowDown' }
            : { kind: 'status', status: 400, code: 'ThrottlingException' },
      ],
      ['a dropped connection', () => ({ kind: 'drop' })],
      ['an answer that is cut off', () => ({ kind: 'cut' })],
    ])(
      'goes on after %s to each first request',
      async (_, faultOf) => {
        aws.inject(({ service, count }) => (count === 1 ? faultOf(service) : null));
        const { url } = await slimJson(commandFor(artifacts[0]));
        expect(await servedAt(url as string)).toBe(digests[0]);
        expectNothingHalfDone();
      },
      60_000,
    );

    it('told of what fails for good, and the same command goes on from there', async () => {
      const { url } = await slimJson(commandFor(artifacts[0]));
      for (const broken of [
        'HeadBucket',
        'PutObject',
        'CreateChangeSet',
        'ExecuteChangeSet',
        'DescribeStacks',
        'PublishVersion',
        'Invoke',
      ]) {
        aws.inject(({ operation, service }) =>
          operation === broken && service !== 'sts' ? { kind: 'status', status: 500, code: 'InternalFailure' } : null,
        );
        const { code, stderr } = await slim(commandFor(artifacts[1]));
        // What is there already need not be sent again.
        expect([code, stderr]).toEqual([1, expect.stringMatching(/error: .*AWS failed with 500.*\nhint: /)]);
        aws.inject(() => null);
        expect(await servedAt(url as string)).toBe(digests[0]);
      }
      expect(await slimJson(commandFor(artifacts[1]))).toMatchObject({ url, changed: true });
      expect(await servedAt(url as string)).toBe(digests[1]);
      expectNothingHalfDone();
    }, 120_000);

    it(`is finished by the same command after ${KILLS} kills at random moments (seed ${SEED})`, async () => {
      const draw = random(SEED);
      const { url } = await slimJson(commandFor(artifacts[0]));
      const before = aws.requests.length;
      await slimJson(commandFor(artifacts[1]));
      const requests = aws.requests.length - before;
      const moments: string[] = [];
      for (let i = 0; i < KILLS; i++) {
        const next = i % 2;
        moments.push(await killAmid(commandFor(artifacts[next]), 1 + draw.below(requests), 50 * draw.uniform()));
        // Whatever was going on, one of the two answers, whole.
        expect(digests).toContain(await servedAt(url as string));
        expect(await slimJson(commandFor(artifacts[next]))).toMatchObject({ url });
        expect(await servedAt(url as string)).toBe(digests[next]);
        expectNothingHalfDone();
      }
      console.log(`killed after ${moments.join(', ')}`);
    }, 300_000);

    /** Runs the built command line, and kills it `laterMs` after its n-th request to AWS. Returns what that was. */
    function killAmid(args: readonly string[], n: number, laterMs: number): Promise<string> {
      const child = spawn(process.execPath, [SLIM, ...args], { stdio: 'ignore' });
      let seen = 0;
      let last = '';
      aws.inject(({ service, operation }) => {
        last = `${service}.${operation}`;
        if (++seen === n) setTimeout(() => child.kill('SIGKILL'), laterMs);
        return null;
      });
      return new Promise((resolve) =>
        child.on('exit', (code, signal) => {
          aws.inject(() => null);
          resolve(`${last} (${signal ?? `ended with ${code}`})`);
        }),
      );
    }
  },
);
