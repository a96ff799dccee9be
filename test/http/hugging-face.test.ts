/** Hugging Face's client in Python, against a server: what it answers, and what it prints of our errors. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { skipNote } from '../contract/hosts/installed.ts';
import { writePictureArtifact, writeTextArtifact } from '../deploy/artifacts.ts';
import { type Running, start } from '../support/process.ts';
import { python, withoutPython } from '../support/python.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();
const absent = withoutPython('huggingface_hub');
const servers: Running[] = [];

async function serve(artifact: string): Promise<string> {
  const server = start(['serve', artifact, '--port', '0', '--workers', '0', '--log', 'none']);
  servers.push(server);
  return (await server.saw(/listening on (\S+)/))[1];
}

/** What a line of Python prints, whose `client` asks this server. */
async function printed(url: string, line: string): Promise<string> {
  const program = `
from huggingface_hub import InferenceClient
client = InferenceClient(model=${JSON.stringify(url)})
try:
    print(${line})
except Exception as error:
    print(type(error).__name__, error)
`;
  return (await promisify(execFile)(python!, ['-c', program], { env: { ...process.env, HF_HUB_OFFLINE: '0' } })).stdout;
}

describe.skipIf(absent !== null)(`huggingface_hub's client${skipNote(absent)}`, () => {
  let [texts, pictures] = ['', ''];

  beforeAll(async () => {
    [texts, pictures] = await Promise.all([
      writeTextArtifact(folder).then(serve),
      writePictureArtifact(folder).then(serve),
    ]);
  });
  afterAll(async () => {
    for (const { child } of servers) child.kill('SIGINT');
    await Promise.all(servers.map(({ exit }) => exit));
  });

  it('is answered', async () => {
    expect(await printed(texts, 'client.text_classification("a good film")[0].label')).toMatch(/^\w+\n$/);
  });

  it('prints our errors', async () => {
    expect(await printed(texts, 'client.text_classification(7)')).toContain('inputs: expected a string, got 7');
    expect(await printed(pictures, 'client.image_classification(b"GIF89a no picture")')).toContain(
      'not a picture of a known format',
    );
  });
});
