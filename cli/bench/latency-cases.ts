/** What `slim bench latency` runs: Slim's engine and its peers, dense and low-rank. */
import type { Weights } from '../compress/quantize.ts';
import { nativeRuntime, type OnnxRuntime, webRuntime } from '../engines/onnx/session.ts';
import type { Model } from '../models/model.ts';
import type { BringingIo } from '../setup/packages.ts';
import type { LatencyCase } from './latency.ts';
import { once } from './once.ts';
import { openSlim } from './slim-engine.ts';
import { denseVariant, lowRankVariant } from './variant.ts';

/** The cases that run on Slim's engine: the packed artifact, by precision and by what was packed. */
export const SLIM_CASES = [
  'slim-int8-lowrank',
  'slim-int4-lowrank',
  'slim-f32-lowrank',
  'slim-int8-dense',
  'slim-f32-dense',
] as const;
/** The cases that run the same graph on onnxruntime, native (onnxruntime-node) or in WebAssembly (onnxruntime-web). */
export const PEERS = [
  'native-f32-dense',
  'native-f32-lowrank',
  'native-int8-dense',
  'native-int8-lowrank',
  'web-f32-lowrank',
] as const;
/** What --cases and --peers take, and what a case is called in the result. */
export type CaseName = (typeof SLIM_CASES)[number] | (typeof PEERS)[number];

/** What all cases of one run have in common. */
export interface CaseOptions {
  readonly model: Model;
  /** The same for longer texts: what Slim packs, to answer those of `model`'s length. Null where there is none. */
  readonly planModel: Model | null;
  /** As asked for; the adapters' own are in `ranks`. */
  readonly rank: number;
  readonly ranks: ReadonlyMap<string, number>;
  readonly seed: number;
  /** Of the peers: Slim's engine computes one answer on one thread. */
  readonly threads: number;
  /** What is brought, where it is not installed, is told here. */
  readonly io: BringingIo;
  /** Told of a peer that is not installed. */
  readonly onMissing: (name: CaseName) => void;
}

/**
 * The cases of those names. All run the same random weights on the same sample, in so far as they have the same rank.
 */
export async function latencyCases(
  names: readonly CaseName[],
  { model, planModel, rank, ranks, seed, threads, io, onMissing }: CaseOptions,
): Promise<LatencyCase[]> {
  const variantsOf = (of: Model) => ({
    dense: once(() => denseVariant(of, seed)),
    lowrank: once(() => lowRankVariant(of, ranks, seed)),
  });
  const variants = variantsOf(model);
  const planVariants = planModel === null ? variants : variantsOf(planModel);
  const runtimes = { native: once(() => nativeRuntime(io)), web: once(async () => webRuntime(threads)) };
  const cases: LatencyCase[] = [];
  for (const name of names) {
    const [family, stored, kind] = name.split('-') as [
      keyof typeof runtimes | 'slim',
      'f32' | Weights,
      keyof typeof variants,
    ];
    const about = { name, dtype: stored, rank: kind === 'dense' ? null : rank };
    if (family === 'slim') {
      cases.push({
        ...about,
        engine: 'slim',
        open: () => openSlim({ ...planVariants[kind](), inputs: variants[kind]().inputs }, stored),
      });
      continue;
    }
    const dtype = stored as 'f32' | 'int8'; // no peer has int4
    const runtime: OnnxRuntime | null = await runtimes[family]();
    if (runtime)
      cases.push({
        ...about,
        engine: runtime.description,
        open: async () => (await loadPeer()).openPeer(runtime, variants[kind](), dtype, threads),
      });
    else onMissing(name);
  }
  return cases;
}

/** Loaded where it is asked for: it brings protobuf along. */
const loadPeer = (): Promise<typeof import('./onnx-peer.ts')> => import('./onnx-peer.ts');
