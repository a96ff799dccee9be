/** Small artifacts to deploy, on disk. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pack } from '../../cli/compress/pack.ts';
import { quantizeTensors } from '../../cli/compress/quantize.ts';
import { storedTensors } from '../../cli/compress/stored-tensors.ts';
import { description, preprocessing, smallVit } from '../compress/small-vit.ts';
import { smallTextArtifact } from '../runtime/text/small-tokenizer.ts';

/** A model for pictures: all low-rank ones have the same weights, dense ones others. */
export async function writePictureArtifact(
  folder: string,
  kind: 'low-rank' | 'dense' = 'low-rank',
  name = `${kind}.slim`,
): Promise<string> {
  const { logits, values } = smallVit(kind);
  return write(
    folder,
    name,
    await pack(logits, quantizeTensors(storedTensors(logits, values), logits), { ...description, preprocessing }),
  );
}

export async function writeTextArtifact(folder: string, name = 'text.slim'): Promise<string> {
  return write(folder, name, await smallTextArtifact());
}

function write(folder: string, name: string, bytes: Uint8Array): string {
  const file = join(folder, name);
  writeFileSync(file, bytes);
  return file;
}
