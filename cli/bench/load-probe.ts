// A process of its own that times how an artifact gets loaded and gives its first answer: `node load-probe.mjs FILE`,
// beside the kernels.
import { readFileSync } from 'node:fs';
import { type Artifact, readArtifact } from '../../runtime/artifact/artifact.ts';
import { elementCount } from '../../runtime/artifact/safetensors.ts';
import { createEngine } from '../../runtime/engine/engine.ts';
import { loadKernels } from '../../runtime/hosts/node.ts';
import type { LoadTimes } from './load.ts';

const [, , file] = process.argv;
const before = await memory();
let bytes: Uint8Array | null = readFileSync(file);

const started = performance.now();
let artifact: Artifact | null = await readArtifact(bytes);
const read = performance.now();
const engine = createEngine(artifact, await loadKernels(new URL('.', import.meta.url)));
const made = performance.now();
const inputs = Object.fromEntries(
  engine.inputs.map(({ name, dtype, shape }) => [
    name,
    new (dtype === 'I32' ? Int32Array : Float32Array)(elementCount(shape)),
  ]),
);
const ready = performance.now();
engine.infer(inputs);
const answered = performance.now();
engine.infer(inputs);
const again = performance.now();

// An engine has a copy of the weights: the file may go.
bytes = null;
artifact = null;
const after = await memory();
const times: LoadTimes = {
  readMs: read - started,
  engineMs: made - read,
  firstMs: answered - ready,
  loadAndFirstMs: made - started + (answered - ready),
  secondMs: again - answered,
  memoryBytes: after.held - before.held,
  residentBytes: after.resident - before.resident,
  linearMemoryBytes: engine.memoryBytes,
};
process.stdout.write(JSON.stringify(times));

/**
 * What JavaScript and WebAssembly hold, and what the process has in memory, both after collections: the first lets
 * buffers go, the next counts them.
 */
async function memory(): Promise<{ readonly held: number; readonly resident: number }> {
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  return { held: heapUsed + external, resident: rss };
}
