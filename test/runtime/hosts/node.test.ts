import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { pack } from '../../../cli/compress/pack.ts';
import { storedTensors } from '../../../cli/compress/stored-tensors.ts';
import { DEFAULT_LIMITS } from '../../../runtime/artifact/plan.ts';
import { loadArtifact } from '../../../runtime/hosts/node.ts';
import { description, smallVit } from '../../compress/small-vit.ts';

it('reads an artifact from a file, within limits', async () => {
  const { logits, values } = smallVit('dense');
  const folder = await mkdtemp(join(tmpdir(), 'slim-'));
  const file = join(folder, 'small.slim');
  await writeFile(file, await pack(logits, storedTensors(logits, values), description));
  expect((await loadArtifact(file)).manifest.labels).toEqual(description.labels);
  await expect(loadArtifact(file, { ...DEFAULT_LIMITS, memoryBytes: 100_000 })).rejects.toThrow(/the limit is 100000/);
  await rm(folder, { recursive: true });
});
