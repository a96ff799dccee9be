/** Families of text models that people bring and Slim does not compute, with the reason. */

const REASONS: Readonly<Record<string, string>> = {
  albert: 'its blocks share one set of weights',
  mpnet: 'its attention adds a bias by the distance of tokens',
  deberta: 'its attention is disentangled, by content and distance',
  'deberta-v2': 'its attention is disentangled, by content and distance',
  modernbert: 'it has rotary positions, gated layers and local attention',
  nomic_bert: 'it has rotary positions and gated layers',
  mobilebert: 'its blocks have bottlenecks and stacked feed-forward layers',
  squeezebert: 'its layers are grouped convolutions',
  convbert: 'its attention is mixed with convolutions',
  'roberta-prelayernorm': 'it normalizes before its layers, not after them',
  'xlm-roberta-xl': 'it normalizes before its layers, not after them',
  'megatron-bert': 'it normalizes before its layers, not after them',
  roformer: 'it has rotary positions',
  nystromformer: 'its attention is approximated by landmarks',
  longformer: 'its attention is local, with global tokens',
  big_bird: 'its attention is sparse',
  funnel: 'it pools tokens between its blocks',
  fnet: 'it has Fourier transforms in place of attention',
  xlnet: 'its attention is relative and permuted',
  ibert: 'it computes in integers of its own',
  layoutlm: 'it reads where words stand on a page, too',
  canine: 'it reads characters, not tokens',
  esm: 'it reads proteins, with positions of its own',
  bart: 'it has an encoder and a decoder',
  t5: 'it has an encoder and a decoder',
  gpt2: 'it is a decoder',
};

/** Why a `model_type` is not read; null where nothing more is known of it. */
export function refusedFamily(modelType: unknown): string | null {
  return typeof modelType === 'string' && Object.hasOwn(REASONS, modelType) ? REASONS[modelType] : null;
}
