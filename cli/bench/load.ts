/**
 * How long an artifact takes from bytes in memory to its first answer, each time in a new process: code that ran before
 * is compiled already.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { builtAsset } from '../io/assets.ts';
import { throwIfInterrupted } from '../io/io.ts';

/** Of one process. */
export interface LoadTimes {
  /** Reading and checking the artifact. */
  readonly readMs: number;
  /** Reading and compiling the kernels, copying and preparing the weights. */
  readonly engineMs: number;
  /** The first answer; the kernels are still being optimized. */
  readonly firstMs: number;
  /** All three. */
  readonly loadAndFirstMs: number;
  readonly secondMs: number;
  /** What an engine holds, in JavaScript's and its own memory, when the file's bytes are gone. */
  readonly memoryBytes: number;
  /** What the process grew by meanwhile: compiled code and what Node loads for hashing, too. */
  readonly residentBytes: number;
  /** The engine's own memory: weights, buffers, scratch. */
  readonly linearMemoryBytes: number;
}

/** Loads the artifact in so many processes, one after the other. */
export async function benchLoad(
  artifact: Uint8Array,
  processes: number,
  signal: AbortSignal,
  onProcess?: (done: number, total: number) => void,
): Promise<LoadTimes[]> {
  const folder = await mkdtemp(join(tmpdir(), 'slim-load-'));
  try {
    const file = join(folder, 'model.slim');
    await writeFile(file, artifact);
    const probe = fileURLToPath(builtAsset('load-probe.mjs'));
    const times: LoadTimes[] = [];
    for (let i = 0; i < processes; i++) {
      const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', probe, file]).catch(
        (error: unknown) => {
          // Ctrl-C reaches the probe, too.
          throwIfInterrupted(signal);
          throw error;
        },
      );
      times.push(JSON.parse(stdout) as LoadTimes);
      onProcess?.(i + 1, processes);
    }
    return times;
  } finally {
    await rm(folder, { recursive: true });
  }
}
