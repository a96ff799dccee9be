/** The architectures that Slim reads, by Hugging Face's `model_type`. */
import { UserError } from '../io/errors.ts';
import type { Architecture } from './architecture.ts';
import { bertArchitecture, ernieArchitecture } from './bert-checkpoint.ts';
import { clipArchitectures, siglipArchitectures } from './clip-checkpoint.ts';
import { dinov2Architecture, dinov2WithRegistersArchitecture } from './dinov2-checkpoint.ts';
import { distilbertArchitecture } from './distilbert-checkpoint.ts';
import { electraArchitecture } from './electra-checkpoint.ts';
import { refusedFamily } from './refused-families.ts';
import {
  camembertArchitecture,
  data2vecTextArchitecture,
  robertaArchitecture,
  xlmRobertaArchitecture,
} from './roberta-checkpoint.ts';
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
  xlmRobertaArchitecture,
  camembertArchitecture,
  data2vecTextArchitecture,
  electraArchitecture,
  ernieArchitecture,
];

/** The architecture of a parsed config.json. UserError lists the supported ones. */
export function architectureOf(json: unknown, path: string): Architecture {
  if (isTimmConfig(json)) return timmArchitecture;
  const modelType = typeof json === 'object' && json !== null && 'model_type' in json ? json.model_type : undefined;
  const found = ARCHITECTURES.find((architecture) => architecture.modelType === modelType);
  expectNoCode(json, path);
  if (found) return found;
  const supported = ARCHITECTURES.map((architecture) => architecture.modelType).join(', ');
  const got =
    modelType === undefined ? 'has no model_type' : `is of the unknown architecture ${JSON.stringify(modelType)}`;
  const reason = refusedFamily(modelType);
  throw new UserError(`${path} ${got}${reason === null ? '' : `: ${reason}`}`, `Supported: ${supported}.`);
}

/** A model of a known type may still be another one, by code that comes with it. */
function expectNoCode(json: unknown, path: string): void {
  const map = typeof json === 'object' && json !== null && 'auto_map' in json ? json.auto_map : null;
  const names = typeof map === 'object' && map !== null ? Object.keys(map) : [];
  if (names.some((name) => name === 'AutoConfig' || name.startsWith('AutoModel')))
    throw new UserError(
      `${path}: the model runs code of its own (auto_map names ${names.join(', ')}), which Slim does not`,
      'Where it is an ordinary model of its type all the same, take auto_map out of config.json.',
    );
}
