/** What `GET /v1/model` tells of made-up models. */
import type { ModelInfo } from '../../runtime/http/classifier.ts';

export const PICTURE_MODEL: ModelInfo = {
  name: 'pets',
  task: 'image-classification',
  architecture: 'vit',
  labels: ['cat', 'dog', 'hamster', 'parrot', 'rabbit', 'tortoise'],
  problemType: 'single_label_classification',
  precision: 'int8',
  rank: 32,
  parameters: 6_193_678,
  macs: 1_880_000_000,
  bytes: 6_324_000,
  teacher: { parameters: 85_806_346, macs: 17_563_000_000 },
  accuracy: [
    { stage: 'teacher', accuracy: 0.9412, samples: 1200 },
    { stage: 'pc-lora', accuracy: 0.9305, samples: 1200 },
    { stage: 'int8', accuracy: 0.9288, samples: 1200 },
  ],
  preprocessing: {},
  digest: `sha256:${'0'.repeat(64)}`,
};

export const TEXT_MODEL: ModelInfo = {
  ...PICTURE_MODEL,
  name: 'reviews',
  task: 'text-classification',
  architecture: 'bert',
  labels: ['negative', 'positive'],
  precision: 'f32',
  rank: null,
  teacher: null,
  accuracy: [],
};
