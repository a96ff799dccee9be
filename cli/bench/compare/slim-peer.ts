/** The artifact on the runtime that serves it. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Artifact } from '../../../runtime/artifact/artifact.ts';
import { slimInstalled } from './installed.ts';
import type { Peer } from './peers.ts';
import { type CompareSample, inputsOf } from './samples.ts';

/** One artifact answers calls of every shape. */
export async function slimPeer(
  artifact: Artifact,
  bytes: Uint8Array,
  samples: readonly CompareSample[],
  folder: string,
): Promise<Peer> {
  const file = join(folder, 'model.slim');
  await writeFile(file, bytes);
  const { costs, precision } = artifact.manifest;
  return {
    name: 'slim',
    engine: `slim, ${precision}`,
    parameters: costs.model.whole.parameters,
    macs: costs.model.whole.macs,
    modelBytes: bytes.length,
    installed: await slimInstalled(),
    runsOnWorkers: true,
    sameLogits: true,
    samples,
    modelFor: async () => ({ kind: 'slim', artifact: file }),
    inputOf: (place, tokens) => inputsOf(samples[place], tokens),
  };
}
