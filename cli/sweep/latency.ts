/** How long an artifact takes for one sample, measured when no run disturbs. */
import { elementCount } from '../../runtime/artifact/safetensors.ts';
import { createEngine } from '../../runtime/engine/engine.ts';
import { summarize } from '../bench/summary.ts';
import { openArtifact } from '../io/artifact.ts';
import { builtKernels } from '../io/assets.ts';
import { exists, writeJson } from '../io/files.ts';
import { throwIfInterrupted } from '../io/io.ts';
import { type PlannedRun, placesOf, type SweepPlan } from './plan.ts';
import type { Latencies } from './rows.ts';

/** Until WebAssembly's second compiler is done, of the smallest models, too. */
const WARM_UP_CALLS = 10;
const TIMED_CALLS = 30;

/** Measures those artifacts of a run that were not measured before, and keeps what came out. */
export async function measureRun(
  folder: string,
  run: PlannedRun,
  { quantize }: SweepPlan,
  signal: AbortSignal,
): Promise<void> {
  const places = placesOf(folder, run, quantize);
  if (await exists(places.latency)) return;
  const latencies: Latencies = {
    latencyMs: await latencyOf(places.artifact, signal),
    quantizedLatencyMs: quantize === null ? null : await latencyOf(places.quantizedArtifact, signal),
  };
  await writeJson(places.latency, latencies);
}

/** The median of one sample on Slim's engine, on this thread; of texts the longest that the artifact takes. */
async function latencyOf(artifact: string, signal: AbortSignal): Promise<number> {
  const engine = createEngine(await openArtifact(artifact), await builtKernels());
  const sample = Object.fromEntries(
    engine.inputs.map(({ name, dtype, shape }) => [
      name,
      dtype === 'I32' ? new Int32Array(elementCount(shape)) : new Float32Array(elementCount(shape)),
    ]),
  );
  const times: number[] = [];
  for (let call = 0; call < WARM_UP_CALLS + TIMED_CALLS; call++) {
    throwIfInterrupted(signal);
    const started = performance.now();
    engine.infer(sample);
    if (call >= WARM_UP_CALLS) times.push(performance.now() - started);
  }
  return summarize(times).medianMs;
}
