/** The names of torchvision's vision transformers (vit_b_16 and its like), whose graph is ViT's. */
import type { VitConfig } from '../models/vit.ts';
import type { Reading } from './architecture.ts';
import type { Shapes } from './reading.ts';
import { classTokenNamed, storedByNames, type VitNames } from './vit-names.ts';

const NAMES: VitNames = {
  prefix: '',
  blocks: 'encoder.layers.encoder_layer_',
  inBlock: {
    norm1: 'ln_1',
    query: 'self_attention.in_proj_*',
    key: 'self_attention.in_proj_*',
    value: 'self_attention.in_proj_*',
    attention: 'self_attention.out_proj',
    norm2: 'ln_2',
    up: 'mlp.0',
    down: 'mlp.3',
  },
  joined: [['query', 'key', 'value']],
  patch: 'conv_proj',
  position: 'encoder.pos_embedding',
  tokens: classTokenNamed('class_token'),
  norms: { norm: 'encoder.ln' },
  heads: { head: 'heads.head' },
};

/** How torchvision's tensors are read; null where these are none of its. */
export function readTorchvision(shapes: Shapes): Reading<VitConfig> | null {
  if (!shapes.has('conv_proj.weight') || !shapes.has('encoder.pos_embedding')) return null;
  return {
    storedAs: (spec, config) => storedByNames(NAMES, spec, config),
    basePrefix: '',
    // As the published files, which are older, have them.
    aliases: [
      [/\.mlp\.0\./, '.mlp.linear_1.'],
      [/\.mlp\.3\./, '.mlp.linear_2.'],
    ],
  };
}
