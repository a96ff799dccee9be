/** The names of timm's vision transformers (vit_*, deit_*, deit3_*), whose graph is that of ViT or DeiT. */
import { UserError } from '../io/errors.ts';
import type { VitConfig } from '../models/vit.ts';
import { patchCount } from '../models/vit.ts';
import type { Reading } from './architecture.ts';
import type { Shapes } from './reading.ts';
import { storedByNames, type VitNames } from './vit-names.ts';

const IN_BLOCK = {
  norm1: 'norm1',
  query: 'attn.qkv',
  key: 'attn.qkv',
  value: 'attn.qkv',
  attention: 'attn.proj',
  norm2: 'norm2',
  up: 'mlp.fc1',
  down: 'mlp.fc2',
};

/** What timm's models may have and ViT has not, by a name that tells it. */
const BEYOND: readonly (readonly [name: RegExp, what: string])[] = [
  [/^blocks\.0\.attn\.(q_norm|k_norm)\./, 'norms of queries and keys'],
  [/^blocks\.0\.attn\.norm\./, 'a norm within attention'],
  [/^blocks\.0\.mlp\.(fc1_g|norm|w12)/, 'another MLP than two layers'],
  [/^(norm_pre)\./, 'a norm before its blocks'],
  [/^fc_norm\./, 'a head on the mean of the patches'],
  [/^attn_pool\./, 'attention pooling before its head'],
  [/^reg_token$/, 'registers'],
  [/^patch_embed\.(backbone|proj\.0|conv|block)/, 'convolutions before its patches'],
];

/** How timm's tensors are read; null where these are none of its. UserError for what ViT's graph does not compute. */
export function readTimm(shapes: Shapes, path: string): Reading<VitConfig> | null {
  if (!shapes.has('blocks.0.attn.qkv.weight')) return null;
  expectPlain(shapes, path);
  const scaled = shapes.has('blocks.0.ls1.gamma');
  return {
    storedAs(spec, config) {
      const rows = shapes.get('pos_embed')?.[1];
      const tokens = ['cls_token', ...(shapes.has('dist_token') ? ['dist_token'] : [])];
      const names: VitNames = {
        prefix: '',
        blocks: 'blocks.',
        inBlock: IN_BLOCK,
        joined: [['query', 'key', 'value']],
        layerScale: scaled ? { attention: 'ls1.gamma', down: 'ls2.gamma' } : {},
        patch: 'patch_embed.proj',
        position: 'pos_embed',
        // As of DeiT III, whose class token has no position.
        tokens: () => tokens.map((name) => ({ name, count: 1, positions: rows !== patchCount(config) })),
        norms: { norm: 'norm' },
        heads: { head: 'head', distilled: 'head_dist' },
      };
      return storedByNames(names, spec, config);
    },
    basePrefix: '',
  };
}

function expectPlain(shapes: Shapes, path: string): void {
  const names = [...shapes.keys()];
  for (const [pattern, what] of BEYOND)
    if (names.some((name) => pattern.test(name)))
      throw new UserError(
        `${path} is a timm model with ${what}, which Slim does not compute`,
        'Of timm, it reads ViT and DeiT with a class token and a linear head.',
      );
  if (!shapes.has('cls_token'))
    throw new UserError(
      `${path} is a timm model without a class token, which Slim does not compute`,
      'Of timm, it reads ViT and DeiT with a class token and a linear head.',
    );
}
