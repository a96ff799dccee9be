/** `slim-transformer/artifact`: reading and checking `.slim` files, without running them. */
export { type Artifact, readArtifact } from '../../runtime/artifact/artifact.ts';
export { ArtifactError, type ArtifactErrorCode } from '../../runtime/artifact/errors.ts';
export type { Compression, Cost, Costs, Manifest, StageAccuracy } from '../../runtime/artifact/manifest.ts';
export { DEFAULT_LIMITS, type Limits } from '../../runtime/artifact/plan.ts';
export type { ProblemType } from '../../runtime/artifact/problem-type.ts';
export type { TensorEntry } from '../../runtime/artifact/safetensors.ts';
