/** Moments of layers as some random inputs make them, where what they are does not matter. */
import { adaptedLayers, type Layer, linearSize } from '../../cli/models/layers.ts';
import type { AdapterOptions } from '../../cli/pclora/linear.ts';
import type { Moment } from '../../cli/pclora/svd.ts';
import { random } from '../../runtime/random.ts';

/** Of every adapted layer, from more random rows than it has inputs. */
export function drawnMoments(
  layers: readonly Layer[],
  { ranks }: Pick<AdapterOptions, 'ranks'>,
): ReadonlyMap<string, Moment> {
  const source = random(41);
  return new Map(
    adaptedLayers(layers, ranks).map((layer) => {
      const { inFeatures: width } = linearSize(layer);
      const rows = Array.from({ length: 2 * width }, () => Array.from({ length: width }, () => source.normal()));
      const values = Float32Array.from({ length: width * width }, (_, at) =>
        rows.reduce((sum, row) => sum + row[Math.floor(at / width)] * row[at % width], 0),
      );
      return [layer.name, { of: layer.kind === 'embedding' ? ('rows' as const) : ('inputs' as const), values }];
    }),
  );
}
