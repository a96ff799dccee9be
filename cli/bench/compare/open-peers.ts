/** From names to peers: the models are found, what is not there is left out with its reason. */
import type { Artifact } from '../../../runtime/artifact/artifact.ts';
import type { Compression } from '../../../runtime/artifact/manifest.ts';
import { readTextPreprocess } from '../../../runtime/text/spec.ts';
import type { Dataset } from '../../data/dataset.ts';
import { nativeRuntime, webRuntime } from '../../engines/onnx/session.ts';
import { macsOf } from '../../graph/cost.ts';
import { messageOf, UserError } from '../../io/errors.ts';
import { kindOf } from '../../io/files.ts';
import type { Io } from '../../io/io.ts';
import { parameterCount, WORD_EMBEDDING } from '../../models/layers.ts';
import { requirePackages } from '../../setup/packages.ts';
import { artifactPreparation, preparationOf } from '../../train/preparation.ts';
import { loadTrainedModel, partsOf, type TrainedModel, weightSpecs } from '../../train/trained-model.ts';
import { once } from '../once.ts';
import { besideSlim, nativeInstalled, webInstalled } from './installed.ts';
import { embeddingsPeer, tfidfPeer } from './linear-peers.ts';
import { onnxPeer, type PeerRuntime, type PeerSource } from './onnx-peers.ts';
import type { LeftOut, Peer, PeerName } from './peers.ts';
import { type CompareSample, collectSamples } from './samples.ts';
import { slimPeer } from './slim-peer.ts';

/** What peers are made of. */
export interface PeerOptions {
  readonly artifact: Artifact;
  readonly bytes: Uint8Array;
  /** Its test part is what is answered; what learns within the run learns of its training part. */
  readonly data: Dataset;
  /** The data's label → the model's output. */
  readonly indices: readonly number[];
  readonly names: readonly PeerName[];
  /** Folders of the dense and the low-rank model, where they are not those that the artifact remembers. */
  readonly teacher?: string;
  readonly run?: string;
  /** The model that the artifact was packed from, if that was given in place of it. */
  readonly packed: TrainedModel | null;
  /** For files of the run. */
  readonly folder: string;
  readonly io: Io;
  readonly onRow: () => void;
}

/** Slim's, then the others in their order. */
export async function openPeers(
  options: PeerOptions,
): Promise<{ readonly peers: readonly Peer[]; readonly leftOut: readonly LeftOut[] }> {
  const { artifact, bytes, data, names, folder, onRow } = options;
  const samples = await collectSamples(data, await artifactPreparation(artifact), onRow);
  const peers: Peer[] = [await slimPeer(artifact, bytes, samples, folder)];
  const leftOut: LeftOut[] = [];
  const sources = { dense: once(() => denseSource(options)), lowrank: once(() => lowRankSource(options)) };
  const runtimes = { native: once(() => native(options.io)), web: once(web) };
  for (const name of names) {
    if (name === 'tfidf' || name === 'embeddings') {
      const peer = await linearPeer(name, peers[0], options, sources.dense);
      if (typeof peer === 'string') leftOut.push({ name, why: peer });
      else peers.push(peer);
      continue;
    }
    const [family, dtype, kind] = name.split('-') as ['native' | 'web', 'f32' | 'int8', 'dense' | 'lowrank'];
    const [runtime, source] = [await runtimes[family](), await sources[kind]()];
    const why = [runtime, source].find((found) => typeof found === 'string') as string | undefined;
    if (why === undefined)
      peers.push(await onnxPeer(name, source as PeerSource, runtime as PeerRuntime, dtype, folder));
    else leftOut.push({ name, why });
  }
  return { peers, leftOut };
}

/** A string says why there is none. */
async function linearPeer(
  name: 'tfidf' | 'embeddings',
  { samples }: Peer,
  { data, artifact, indices, folder, onRow }: PeerOptions,
  teacher: () => Promise<PeerSource | string>,
): Promise<Peer | string> {
  const { problemType, labels } = artifact.manifest;
  if (data.kind !== 'text') return 'it is for texts';
  if (problemType !== 'single_label_classification') return 'it is for one label a text';
  if (data.train.size === 0) return 'the data has no training part';
  const options = { data, samples, indices, outputs: labels.length, folder, onStep: onRow };
  if (name === 'tfidf') return tfidfPeer(options);
  const found = await teacher();
  if (typeof found === 'string') return found;
  if (!found.trained.stored.has(WORD_EMBEDDING)) return 'the teacher has no word table';
  return embeddingsPeer(found.trained, { ...options, samples: found.samples });
}

async function native(io: Io): Promise<PeerRuntime | string> {
  const { description } = await nativeRuntime(io);
  return {
    name: 'native',
    description,
    installed: await nativeInstalled((await requirePackages('onnxruntime', io)).require),
  };
}

async function web(): Promise<PeerRuntime | string> {
  const runtime = webRuntime(1);
  if (runtime === null) return 'onnxruntime-web is not installed: npm install --no-save onnxruntime-web@1.30.0 adds it';
  return { name: 'web', description: runtime.description, installed: await webInstalled(besideSlim()) };
}

/** The dense model that the artifact comes from; a string says why there is none. */
function denseSource(options: PeerOptions): Promise<PeerSource | string> {
  const { artifact, packed, teacher } = options;
  const { compression, configuration } = artifact.manifest;
  const own = compression === null ? packed : null;
  const recorded = compression === null ? configuration.out : configuration.model;
  return sourceOf(options, '--teacher', own, teacher, recorded, (trained) =>
    trained.compression === null ? null : 'is compressed',
  );
}

/** The low-rank model in f32 that the artifact was quantized from; a string says why there is none. */
async function lowRankSource(options: PeerOptions): Promise<PeerSource | string> {
  const { artifact, packed, run } = options;
  const { compression, configuration } = artifact.manifest;
  if (compression === null) return 'the model is not compressed';
  return sourceOf(options, '--run', packed, run, configuration.out, (trained) =>
    sameRanks(trained.compression?.ranks ?? {}, compression.ranks) ? null : 'has other ranks',
  );
}

async function sourceOf(
  options: PeerOptions,
  flag: string,
  own: TrainedModel | null,
  named: string | undefined,
  recorded: unknown,
  otherThan: (trained: TrainedModel) => string | null,
): Promise<PeerSource | string> {
  if (named === undefined && own?.precision === 'f32') return source(own, options);
  const path = named ?? (typeof recorded === 'string' ? recorded : undefined);
  if (path === undefined) return `${flag} is not given, and the artifact remembers no folder`;
  if (named === undefined && (await kindOf(path)) !== 'folder')
    return `${path} is not here: name its folder with ${flag}`;
  try {
    const trained = await loadTrainedModel(path);
    const why =
      trained.precision === 'f32' ? (otherHead(trained, options.artifact) ?? otherThan(trained)) : 'is quantized';
    if (why !== null)
      throw new UserError(`${path} ${why}: it is not what the artifact was made from`, `Name another with ${flag}.`);
    return await source(trained, options);
  } catch (error) {
    // What was named has to be right; what was only remembered may be another model by now.
    if (named !== undefined || !(error instanceof UserError)) throw error;
    return messageOf(error);
  }
}

function sameRanks(a: Compression['ranks'], b: Compression['ranks']): boolean {
  return Object.keys(a).length === Object.keys(b).length && Object.keys(a).every((name) => a[name] === b[name]);
}

function otherHead({ config }: TrainedModel, { manifest }: Artifact): string | null {
  const same = config.problemType === manifest.problemType && config.labels.join('\n') === manifest.labels.join('\n');
  return same ? null : 'has other labels';
}

async function source(trained: TrainedModel, { artifact, data, onRow }: PeerOptions): Promise<PeerSource> {
  const { model, compression, preprocessing } = trained;
  const samples: readonly CompareSample[] = await collectSamples(data, preparationOf(preprocessing), onRow);
  // The teacher may take longer texts: both are counted at one length.
  const inputs = model.batchInputs(1, { tokens: longestText(artifact) ?? undefined });
  const logits = model.forward(inputs, 1, partsOf(trained)).logits;
  return {
    trained,
    parameters: parameterCount(weightSpecs(model, compression)),
    macs: macsOf({ outputs: { logits } }).total,
    samples,
  };
}

/** Tokens of the longest text that an artifact takes; null of pictures. */
export function longestText({ manifest: { task, preprocessing } }: Artifact): number | null {
  return task === 'text-classification' ? readTextPreprocess(preprocessing).maxTokens : null;
}
