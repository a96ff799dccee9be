/**
 * The function's zip: the built files of dist/lambda/code, and the artifact where it fits. The same input makes the
 * same bytes.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { type AsyncZippable, zip } from 'fflate';
import { builtAsset } from '../../io/assets.ts';

/** Where the function finds its artifact. */
export type ArtifactPlace = 'zip' | 's3';

/** What goes to S3. */
export interface Package {
  readonly zip: Blob256;
  /** The artifact, where it is too large for the zip. */
  readonly artifact: Blob256 | null;
}

/** Bytes and their SHA-256 in hexadecimal. */
export interface Blob256 {
  readonly bytes: Uint8Array;
  readonly sha256: string;
}

/** Lambda's limit of what a zip holds is 250 MB; one above 50 MB starts slowly, because it is unpacked first. */
const MAX_ZIPPED_ARTIFACT = 50_000_000;

/** Where an artifact of that size goes unless the user says otherwise: into the zip up to 50 MB. */
export function placeFor(artifactBytes: number): ArtifactPlace {
  return artifactBytes <= MAX_ZIPPED_ARTIFACT ? 'zip' : 's3';
}

/** Makes the zip of the built code, with the artifact in it where its place is the zip. */
export async function createPackage(artifact: Uint8Array, place: ArtifactPlace): Promise<Package> {
  const folder = builtAsset('lambda/code/');
  const names = (await readdir(folder)).sort();
  const code = await Promise.all(
    names.map(async (name) => [name, new Uint8Array(await readFile(new URL(name, folder)))] as const),
  );
  const files = place === 'zip' ? [...code, ['model.slim', artifact] as const] : code;
  return { zip: blobOf(await zipOf(Object.fromEntries(files))), artifact: place === 's3' ? blobOf(artifact) : null };
}

/** Takes the bytes' digest; they are not copied. */
export function blobOf(bytes: Uint8Array): Blob256 {
  return { bytes, sha256: createHash('sha256').update(bytes).digest('hex') };
}

/** Readable files of one fixed time (the earliest that a zip can tell, in local time as zips have it). */
function zipOf(files: AsyncZippable): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    zip(
      files,
      { level: 9, mtime: new Date(1980, 0, 1), os: 3, attrs: 0o100644 << 16, consume: false },
      (error, bytes) => (error ? reject(error) : resolve(bytes)),
    );
  });
}
