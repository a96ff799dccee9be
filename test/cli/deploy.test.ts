/**
 * slim deploy without anybody to deploy to: what it refuses before it asks, and the files that it writes for Lambda.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { unzipSync } from 'fflate';
import { beforeAll, describe, expect, it } from 'vitest';
import { writePictureArtifact, writeTextArtifact } from '../deploy/artifacts.ts';
import { slim } from '../support/cli.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();
let artifact: string;
beforeAll(async () => {
  artifact = await writePictureArtifact(folder);
  // Whoever gets past its checks finds no credentials, and nobody to ask for any.
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name];
  Object.assign(process.env, {
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_REGION: 'us-east-1',
    AWS_CONFIG_FILE: '/nonexistent',
    AWS_SHARED_CREDENTIALS_FILE: '/nonexistent',
  });
});

describe('refuses', () => {
  it.each<[string, string, readonly string[], string, string]>([
    ['no artifact', '', [], 'no artifact is given', 'slim deploy model.slim'],
    ['no target', 'A', ['--name', 'cats'], '--to is missing', '--to lambda --name cats'],
    ['no name', 'A', ['--to', 'lambda'], '--name is missing', '--name NAME'],
    [
      'a target that does not exist',
      'A',
      ['--to', 'azure', '--name', 'cats'],
      'Allowed choices are lambda, cloudflare, node, bun, deno',
      '',
    ],
    [
      'a name that CloudFormation would refuse',
      'A',
      ['--to', 'lambda', '--name', 'My_Cats'],
      'small letters, digits and hyphens',
      '',
    ],
    [
      'two things to do',
      '',
      ['--status', 'cats', '--destroy', 'cats'],
      '--status and --destroy are two things to do',
      '',
    ],
    [
      'an artifact with --status',
      'A',
      ['--status', 'cats'],
      '--status cats takes no artifact',
      'slim deploy --status cats',
    ],
    ['--dry-run elsewhere', 'A', ['--to', 'cloudflare', '--name', 'cats', '--dry-run'], '--dry-run is for lambda', ''],
    [
      "another target's place",
      'A',
      ['--to', 'cloudflare', '--name', 'cats', '--artifact-in', 's3'],
      '--artifact-in s3 is nothing that cloudflare has',
      'module, bucket',
    ],
    [
      'a server without a folder',
      'A',
      ['--to', 'node', '--name', 'cats'],
      'a folder is written, and none is named',
      '--emit cats/',
    ],
    [
      'a token that is guessed',
      'A',
      ['--to', 'lambda', '--name', 'cats', '--token', 'short'],
      '--token: expected 16 characters or more, got 5',
      'openssl',
    ],
    [
      'a token of two words',
      'A',
      ['--to', 'lambda', '--name', 'cats', '--token', 'two words of some length'],
      '--token: expected one word',
      '',
    ],
    [
      'an origin with a path',
      'A',
      ['--to', 'lambda', '--name', 'cats', '--cors-origin', 'https://a.example/x'],
      'Expected an origin such as https://example.com',
      '',
    ],
    [
      'more than Lambda takes',
      'A',
      ['--to', 'lambda', '--name', 'cats', '--max-body-bytes', '5000000'],
      'a Lambda function takes at most 4600000',
      '',
    ],
    ['too little memory', 'A', ['--to', 'lambda', '--name', 'cats', '--memory', '127'], 'from 128 to 10240', ''],
    ['to destroy without asking', '', ['--destroy', 'cats'], 'nobody is there to be asked', '--yes'],
  ])('%s', async (_, first, flags, message, hint) => {
    const { code, stderr, stdout } = await slim(['deploy', ...(first === 'A' ? [artifact] : []), ...flags]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(message);
    expect(stderr).toContain(hint);
  });

  it('an artifact that is none, before it asks AWS', async () => {
    const { code, stderr } = await slim(['deploy', `${folder}/none.slim`, '--to', 'lambda', '--name', 'cats']);
    expect([code, stderr]).toEqual([1, expect.stringContaining('none.slim does not exist')]);
  });

  it('to go on without credentials', async () => {
    const { code, stderr } = await slim(['deploy', artifact, '--to', 'lambda', '--name', 'cats']);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/no AWS credentials were found\nhint: Set AWS_PROFILE/)]);
  });
});

describe('--emit for lambda', () => {
  const emit = async (path: string, from: string, ...flags: string[]): Promise<string> => {
    const { code, stderr } = await slim(['deploy', from, '--to', 'lambda', '--name', 'cats', '--emit', path, ...flags]);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    return path;
  };

  it('writes all that would be sent, the same bytes each time', async () => {
    const [one, two] = [await emit(join(folder, 'one'), artifact), await emit(join(folder, 'two'), artifact)];
    const names = readdirSync(one).sort();
    expect(names).toEqual(['README.md', 'code.zip', 'parameters.json', 'slim-deploy.json', 'template.json']);
    for (const name of names) expect(readFileSync(join(one, name)).equals(readFileSync(join(two, name)))).toBe(true);
    const files = unzipSync(readFileSync(join(one, 'code.zip')));
    expect(Buffer.from(files['model.slim']).equals(readFileSync(artifact))).toBe(true);
    expect(Object.keys(files)).toEqual(
      expect.arrayContaining(['index.mjs', 'kernels-relaxed.wasm', 'codec-jpeg.wasm', 'page.html']),
    );
    const parameters = Object.fromEntries(
      (
        JSON.parse(readFileSync(join(one, 'parameters.json'), 'utf8')) as {
          ParameterKey: string;
          ParameterValue: string;
        }[]
      ).map(({ ParameterKey, ParameterValue }) => [ParameterKey, ParameterValue]),
    );
    expect(parameters).toMatchObject({
      Name: 'cats',
      Bucket: 'BUCKET',
      ArtifactKey: '',
      UrlAccess: 'iam',
      Timeout: '30',
      DeadlineMs: '29500',
    });
    const template = JSON.parse(readFileSync(join(one, 'template.json'), 'utf8')) as { Parameters: object };
    expect(Object.keys(parameters).every((name) => name in template.Parameters)).toBe(true);
  });

  it('keeps the artifact apart where it is to lie in S3, and the token to itself', async () => {
    const token = 'a-token-that-nobody-guesses';
    const path = await emit(
      join(folder, 's3'),
      await writeTextArtifact(folder),
      '--artifact-in',
      's3',
      '--token',
      token,
    );
    expect(readFileSync(join(path, 'model.slim')).equals(readFileSync(join(folder, 'text.slim')))).toBe(true);
    expect(Object.keys(unzipSync(readFileSync(join(path, 'code.zip'))))).not.toContain('model.slim');
    for (const name of readdirSync(path)) expect(readFileSync(join(path, name)).includes(token)).toBe(false);
  });
});
