// A process of its own that times how an artifact gets loaded and gives its first answer: `node load-probe.mjs FILE`, and the kernels' files.
import { readFileSync } from 'node:fs';
import { readArtifact } from '../../runtime/artifact/artifact.ts';
import { elementCount } from '../../runtime/artifact/safetensors.ts';
import { createEngine } from '../../runtime/engine/engine.ts';
import { loadKernels } from '../../runtime/hosts/node.ts';
import type { LoadTimes } from './load.ts';

const [file, simd128, relaxed, relaxedPairs] = process.argv.slice(2);
const bytes = readFileSync(file);
globalThis.gc?.();
const before = process.memoryUsage();

const started = performance.now();
const artifact = await readArtifact(bytes);
const read = performance.now();
const engine = createEngine(artifact, await loadKernels({ simd128, relaxed, relaxedPairs }));
const made = performance.now();
const inputs = Object.fromEntries(engine.inputs.map(({ name, dtype, shape }) => [name, new (dtype === 'I32' ? Int32Array : Float32Array)(elementCount(shape))]));
const ready = performance.now();
engine.infer(inputs);
const answered = performance.now();
engine.infer(inputs);
const again = performance.now();

globalThis.gc?.();
const after = process.memoryUsage();
const times: LoadTimes = {
  readMs: read - started,
  engineMs: made - read,
  firstMs: answered - ready,
  loadAndFirstMs: made - started + (answered - ready),
  secondMs: again - answered,
  // The file's own bytes could go now.
  memoryBytes: after.rss - before.rss,
  linearMemoryBytes: engine.memoryBytes,
};
process.stdout.write(JSON.stringify(times));
