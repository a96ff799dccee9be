import type * as ort from 'onnxruntime-node';
import { messageOf, UserError } from '../../io/errors.ts';
import { type BringingIo, requirePackages } from '../../setup/packages.ts';

/** Where onnxruntime-node 1.30 has a binary. */
const BUILDS = ['linux-x64', 'linux-arm64', 'darwin-arm64', 'win32-x64', 'win32-arm64'];

/** What decides whether a native library loads: `musl` on Linux without glibc, such as Alpine. */
export interface Platform {
  readonly name: string;
  readonly musl: boolean;
}

/**
 * onnxruntime-node, brought on first use where it is not installed.
 * @throws UserError where there is no build of it for this platform, or it can't be brought; Interrupted
 */
export async function loadOnnxruntime(io: BringingIo): Promise<typeof ort> {
  expectBuild(thisPlatform());
  const { folder, require } = await requirePackages('onnxruntime', io);
  try {
    return require('onnxruntime-node') as typeof ort;
  } catch (error) {
    throw new UserError(
      `onnxruntime in ${folder} does not load: ${messageOf(error)}`,
      'Remove it; the next command brings it again.',
    );
  }
}

/** @throws UserError where onnxruntime has no build for this platform: saying where it has, and what works here. */
export function expectBuild({ name, musl }: Platform): void {
  const works =
    'slim predict, serve and deploy need none and work here; --engine tfjs trains here, some 20 times slower.';
  if (musl)
    throw new UserError(
      'onnxruntime has no build for musl, the C library of this Linux (Alpine?): it needs glibc',
      `Take an image with glibc, such as node:22-slim, to train, evaluate or quantize. ${works}`,
    );
  if (!BUILDS.includes(name))
    throw new UserError(
      `onnxruntime has no build for ${name}: it has ${BUILDS.join(', ')}`,
      `Train on one of these. ${works}`,
    );
}

/** The platform that Node runs on. */
function thisPlatform(): Platform {
  return { name: `${process.platform}-${process.arch}`, musl: process.platform === 'linux' && !usesGlibc() };
}

/** Node's report names the C library that it was linked with, where that is glibc. */
function usesGlibc(): boolean {
  Object.assign(process.report, { excludeNetwork: true }); // its names may take seconds to look up
  const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime !== undefined;
}
