/** Artifacts on disk, with errors that name the file. */

import type { Artifact } from '../../runtime/artifact/artifact.ts';
import { ArtifactError } from '../../runtime/artifact/errors.ts';
import { loadArtifact } from '../../runtime/hosts/node.ts';
import { messageOf, UserError } from './errors.ts';
import { kindOf } from './files.ts';

/** Reads and checks a `.slim` file. UserErrors name it and say what is wrong. */
export async function openArtifact(path: string): Promise<Artifact> {
  const kind = await kindOf(path);
  if (kind !== 'file')
    throw new UserError(
      `artifact ${path} ${kind === 'absent' ? 'does not exist' : 'is a folder'}`,
      'Make one with slim pack RUN --out NAME.slim.',
    );
  try {
    return await loadArtifact(path);
  } catch (error) {
    if (error instanceof ArtifactError)
      throw new UserError(
        `${path} is no valid artifact: ${error.message}`,
        error.code === 'header' || error.code === 'truncated'
          ? 'Is it the right file? A .slim file is made by slim pack RUN --out NAME.slim.'
          : 'Make it again with slim pack RUN --out NAME.slim.',
      );
    throw new UserError(`can't read ${path}: ${messageOf(error)}`);
  }
}
