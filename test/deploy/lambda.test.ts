/**
 * `slim deploy --to lambda` against a stand-in for AWS that runs what was deployed: every test ends with what a client
 * is answered.
 */
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openClassifier } from '../../cli/io/classifier.ts';
import { type Aws, administrator, environmentFor, startAws } from '../support/aws/aws.ts';
import { lambdaAbsent } from '../support/aws/lambda-runtime.ts';
import { type Outcome, slim, slimJson } from '../support/cli.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { writePictureArtifact, writeTextArtifact } from './artifacts.ts';

const folder = temporaryFolder();
const TOKEN = 'a-token-that-nobody-guesses';
const BUCKET = 'slim-123456789012-us-east-1';

let aws: Aws;
let first: string;
let second: string;
let texts: string;

beforeAll(async () => {
  [first, second, texts] = await Promise.all([
    writePictureArtifact(folder, 'low-rank'),
    writePictureArtifact(folder, 'dense'),
    writeTextArtifact(folder),
  ]);
});

beforeEach(async () => {
  aws = await startAws();
  Object.assign(process.env, environmentFor(aws, administrator));
  return () => aws.close();
});

const deploy = (artifact: string, ...flags: string[]): Promise<Record<string, unknown>> =>
  slimJson(['deploy', artifact, '--to', 'lambda', '--name', 'cats', ...flags]);
const failing = async (...args: string[]): Promise<Outcome> => {
  const outcome = await slim(args);
  expect(outcome.code, outcome.stderr).not.toBe(0);
  return outcome;
};

/** What the live function says of itself. */
async function modelAt(
  url: unknown,
  headers: Record<string, string> = {},
): Promise<{ status: number; digest?: string }> {
  const response = await fetch(`${url as string}v1/model`, { headers });
  return { status: response.status, digest: ((await response.json()) as { digest?: string }).digest };
}

async function digestOf(artifact: string): Promise<string> {
  return (await openClassifier(artifact)).info.digest;
}

const objects = (): string[] => [...(aws.buckets.get(BUCKET)?.objects.keys() ?? [])].sort();

describe.skipIf(lambdaAbsent !== null)(
  `slim deploy --to lambda${lambdaAbsent === null ? '' : ` (skipped: ${lambdaAbsent})`}`,
  () => {
    it('ends with an answer from the function, the same as here', async () => {
      const deployed = await deploy(first, '--url', 'public');
      expect(deployed).toMatchObject({
        version: 1,
        liveVersion: '1',
        name: 'cats',
        region: 'us-east-1',
        account: '123456789012',
        formerVersion: null,
        changed: true,
      });
      expect(objects()).toEqual([expect.stringMatching(/^cats\/code-[0-9a-f]{64}\.zip$/)]);
      const classifier = await openClassifier(first);
      const picture = new Uint8Array(
        await (await import('sharp'))
          .default({ create: { width: 40, height: 30, channels: 3, background: '#a04020' } })
          .png()
          .toBuffer(),
      );
      const response = await fetch(`${deployed.url as string}v1/predict`, {
        method: 'POST',
        headers: { 'content-type': 'image/png' },
        body: picture,
      });
      const { predictions } = await classifier.classify(picture, 5);
      expect(await response.json()).toEqual({
        predictions: predictions.map(({ label, score }) => ({ label, score: expect.closeTo(score, 12) })),
        latencyMs: expect.any(Number),
      });
      expect(await (await fetch(deployed.url as string)).text()).toContain('<!doctype html>');
    });

    it('again, changes nothing', async () => {
      const deployed = await deploy(first, '--url', 'public');
      const before = aws.requests.length;
      expect(await deploy(first, '--url', 'public')).toEqual({ ...deployed, changed: false });
      const asked = aws.requests.slice(before);
      expect(
        asked.filter((name) => /Put|Create(?!ChangeSet)|Execute|Upload|Delete(?!ChangeSet)|Invoke/.test(name)),
      ).toEqual([]);
    });

    it('moves to a new artifact, goes back, and forward again', async () => {
      const { url } = await deploy(first, '--url', 'public');
      const [digest, nextDigest] = await Promise.all([digestOf(first), digestOf(second)]);
      expect((await modelAt(url)).digest).toBe(digest);
      expect(await deploy(second, '--url', 'public')).toMatchObject({ url, formerVersion: '1' });
      expect((await modelAt(url)).digest).toBe(nextDigest);
      expect(await slimJson(['deploy', '--rollback', 'cats'])).toMatchObject({ formerVersion: '2', url });
      expect((await modelAt(url)).digest).toBe(digest);
      await slimJson(['deploy', '--rollback', 'cats']);
      expect((await modelAt(url)).digest).toBe(nextDigest);
      expect(await slimJson(['deploy', '--status', 'cats'])).toMatchObject({
        url,
        formerVersion: '1',
        stack: 'UPDATE_COMPLETE',
        parameters: { Architecture: 'arm64', MemorySize: '1769', UrlAccess: 'public' },
      });
    });

    it('leaves the old version serving where the new one fails its smoke request', async () => {
      const { url } = await deploy(first, '--url', 'public');
      aws.inject(({ operation }) =>
        operation === 'Invoke' ? { kind: 'status', status: 400, code: 'InvalidRequestContentException' } : null,
      );
      const { stderr } = await failing('deploy', second, '--to', 'lambda', '--name', 'cats', '--url', 'public');
      expect(stderr).toMatch(
        /error: version 2 of cats failed its smoke request: .*\nhint: Version 1 goes on serving\./,
      );
      aws.inject(() => null);
      expect((await modelAt(url)).digest).toBe(await digestOf(first));
      // And the same command, once what was wrong is mended, goes on.
      expect(await deploy(second, '--url', 'public')).toMatchObject({ url, formerVersion: '1' });
      expect((await modelAt(url)).digest).toBe(await digestOf(second));
    });

    it('reads a large artifact from S3 with a role that may read artifacts of this name alone', async () => {
      const { url } = await deploy(first, '--url', 'public', '--artifact-in', 's3');
      expect(objects()).toEqual([
        expect.stringMatching(/^cats\/code-/),
        expect.stringMatching(/^cats\/model-[0-9a-f]{64}\.slim$/),
      ]);
      expect((await modelAt(url)).digest).toBe(await digestOf(first));
      const [role] = [...aws.roles.values()];
      const statements = role.identity.policies.flatMap(({ Statement }) => Statement);
      expect(statements).toContainEqual({
        Effect: 'Allow',
        Action: 's3:GetObject',
        Resource: `arn:aws:s3:::${BUCKET}/cats/model-*`,
      });
      expect(aws.requests.filter((name) => name === 's3.GetObject').length).toBeGreaterThan(0);
    });

    it('asks clients for a token that AWS never sees, and does not forget it', async () => {
      const { url } = await deploy(first, '--url', 'public', '--token', TOKEN);
      expect((await modelAt(url)).status).toBe(401);
      expect((await modelAt(url, { authorization: `Bearer ${TOKEN}` })).status).toBe(200);
      expect(JSON.stringify([aws.stacks, [...aws.functions.values()].map(({ latest }: any) => latest)])).not.toContain(
        TOKEN,
      );
      const { code, stderr } = await failing('deploy', second, '--to', 'lambda', '--name', 'cats', '--url', 'public');
      expect([code, stderr]).toEqual([
        2,
        expect.stringContaining('cats asks its clients for a token, and none is given now'),
      ]);
      await deploy(first, '--url', 'public', '--without-token');
      expect((await modelAt(url)).status).toBe(200);
    });

    it('answers texts, behind a URL for IAM callers', async () => {
      const { url } = await deploy(texts);
      expect((await fetch(`${url as string}v1/model`)).status).toBe(403);
      expect((await slimJson(['deploy', '--status', 'cats'])).parameters).toMatchObject({ UrlAccess: 'iam' });
    });

    it('shows what it would do, and does nothing', async () => {
      const { stdout } = await slim(['deploy', first, '--to', 'lambda', '--name', 'cats', '--dry-run']);
      expect(stdout).toContain('"AWS::Lambda::Function"');
      expect(stdout).toMatch(/Add +Function +AWS::Lambda::Function/);
      expect([
        aws.stacks.filter(({ status }) => status !== 'DELETE_COMPLETE'),
        aws.functions.size,
        aws.buckets.size,
      ]).toEqual([[], 0, 0]);
      await deploy(first);
      const { changes } = await slimJson([
        'deploy',
        first,
        '--to',
        'lambda',
        '--name',
        'cats',
        '--dry-run',
        '--memory',
        '512',
      ]);
      expect(changes).toEqual([
        { action: 'Modify', resource: 'Function', type: 'AWS::Lambda::Function', replacement: false },
      ]);
      expect((await slimJson(['deploy', first, '--to', 'lambda', '--name', 'cats', '--dry-run'])).changes).toEqual([]);
    });

    it('takes all of it away again, twice if need be', async () => {
      await deploy(first, '--url', 'public', '--artifact-in', 's3');
      const refused = await failing('deploy', '--destroy', 'cats');
      expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('--yes')]);
      expect(await slimJson(['deploy', '--destroy', 'cats', '--yes'])).toEqual({
        version: 1,
        name: 'cats',
        stack: true,
        objects: 2,
      });
      expect([aws.functions.size, aws.roles.size, aws.logGroups.size, objects()]).toEqual([0, 0, 0, []]);
      expect(await slimJson(['deploy', '--destroy', 'cats', '--yes'])).toMatchObject({ stack: false, objects: 0 });
      expect((await failing('deploy', '--status', 'cats')).stderr).toContain(
        'nothing is deployed under the name cats here',
      );
    });
  },
);
