/** The architectures that Slim reads, by Hugging Face's `model_type`. */
import { UserError } from '../io/errors.ts';
import type { Architecture } from './architecture.ts';
import { bertArchitecture } from './bert-checkpoint.ts';
import { clipArchitectures, siglipArchitectures } from './clip-checkpoint.ts';
import { dinov2Architecture, dinov2WithRegistersArchitecture } from './dinov2-checkpoint.ts';
import { distilbertArchitecture } from './distilbert-checkpoint.ts';
import { robertaArchitecture } from './roberta-checkpoint.ts';
import { isTimmConfig } from './timm-config.ts';
import { deitArchitecture, timmArchitecture, vitArchitecture, vitMsnArchitecture } from './vit-checkpoint.ts';

const ARCHITECTURES: readonly Architecture[] = [
  vitArchitecture,
  deitArchitecture,
  vitMsnArchitecture,
  dinov2Architecture,
  dinov2WithRegistersArchitecture,
  ...clipArchitectures,
  ...siglipArchitectures,
  bertArchitecture,
  distilbertArchitecture,
  robertaArchitecture,
];

/** The architecture of a parsed config.json. UserError lists the supported ones. */
export function architectureOf(json: unknown, path: string): Architecture {
  if (isTimmConfig(json)) return timmArchitecture;
  const modelType = typeof json === 'object' && json !== null && 'model_type' in json ? json.model_type : undefined;
  const found = ARCHITECTURES.find((architecture) => architecture.modelType === modelType);
  if (found) return found;
  const supported = ARCHITECTURES.map((architecture) => architecture.modelType).join(', ');
  const got =
    modelType === undefined ? 'has no model_type' : `is of the unknown architecture ${JSON.stringify(modelType)}`;
  throw new UserError(`${path} ${got}`, `Supported: ${supported}.`);
}
