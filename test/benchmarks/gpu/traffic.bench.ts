/**
 * What XLA makes of a training step on an H100, on a machine that has none: its plugin for CUDA compiles for a GPU that is
 * described to it. Counts the kernels, and the bytes that each reads and writes at least, which is what most of them take
 * their time for. No autotuning: on the card, products may be other kernels.
 *
 * SLIM_PJRT_PLUGIN names the plugin (`slim setup cuda`); SLIM_BENCH_MODEL (vit-b16), SLIM_BENCH_BATCH (128),
 * SLIM_BENCH_PARTITIONS (1) and SLIM_BENCH_TOKEN_MULTIPLE (the engine's; 1 pads no picture for the whole step) say of
 * what.
 */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { cudnnAttention, TOKEN_MULTIPLE } from '../../../cli/engines/xla/cudnn-attention.ts';
import { lowerToStableHlo } from '../../../cli/engines/xla/lower.ts';
import { namedValues, stablehloProgram } from '../../../cli/engines/xla/pjrt/client.ts';
import { compileOptions } from '../../../cli/engines/xla/pjrt/compile-options.ts';
import { loadPlugin, type Plugin } from '../../../cli/engines/xla/pjrt/plugin.ts';
import { namedPlugin } from '../../../cli/engines/xla/plugins.ts';
import { tensorsOf } from '../../../cli/models/layers.ts';
import { presetModel } from '../../../cli/models/presets.ts';
import { adapterTensors } from '../../../cli/pclora/linear.ts';
import { resolveRanks } from '../../../cli/pclora/rank.ts';
import { ADAMW_DEFAULTS, flatLayout } from '../../../cli/train/optimizer.ts';
import { compressGraph, DONATED, type Phase, wholeStep } from '../../../cli/train/step.ts';
import { skipNote } from '../../contract/hosts/installed.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const { SLIM_BENCH_MODEL: name = 'vit-b16', SLIM_BENCH_BATCH = '128', SLIM_BENCH_PARTITIONS = '1' } = process.env;
const [batch, partitions] = [SLIM_BENCH_BATCH, SLIM_BENCH_PARTITIONS].map(Number);
const plugin = namedPlugin();
const absent =
  plugin?.platform === 'cuda' ? null : 'SLIM_PJRT_PLUGIN names no plugin for CUDA: slim setup cuda brings one';
const dump = temporaryFolder();

/** What XLA's GpuTargetConfigProto says of an H100 SXM, by NVIDIA's data sheet and `nvidia-smi -q`. */
const H100 = `
gpu_device_info {
  cuda_compute_capability { major: 9 feature_extension: ACCELERATED_FEATURES }
  name: "NVIDIA H100 80GB HBM3" device_vendor: "NVIDIA Corporation"
  core_count: 132 fpus_per_core: 128 clock_rate_ghz: 1.98 device_address_bits: 64
  device_memory_size: 84942979072 memory_bandwidth: 3352320000000 l2_cache_size: 52428800
  threads_per_warp: 32 threads_per_block_limit: 1024 threads_per_core_limit: 2048
  thread_dim_limit_x: 1024 thread_dim_limit_y: 1024 thread_dim_limit_z: 64
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
  shared_memory_per_block: 49152 shared_memory_per_block_optin: 232448 shared_memory_per_core: 233472
  registers_per_core_limit: 65536 registers_per_block_limit: 65536
  driver_version: "13.0.0" runtime_version: "13.0.0" compile_time_toolkit_version: "13.0.0" dnn_version: "9.19.0"
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 19 }
`;

function moduleOf(phase: Phase): string {
  const model = presetModel(
    name,
    Array.from({ length: 10 }, (_, i) => `${i}`),
    128,
  )!;
  const ranks = resolveRanks(model.layers, { rank: 32, force: false });
  const kept = model.layers.filter(({ kind }) => ['norm', 'head', 'pooler'].includes(kind));
  const layout = flatLayout([...adapterTensors(model.layers, ranks), ...tensorsOf(kept)]);
  const adapters = { init: 'paper', ranks, scaling: 1 } as const;
  // As the engine has it: fused attention on one device.
  const isFused = partitions === 1;
  const tokenMultiple = isFused ? Number(process.env.SLIM_BENCH_TOKEN_MULTIPLE ?? TOKEN_MULTIPLE) : undefined;
  const step = compressGraph({ model, batch, layout, adapters, alpha: 0.2, tokenMultiple }, phase);
  return lowerToStableHlo(wholeStep(step, ADAMW_DEFAULTS), {
    precision: 'bf16',
    fused: isFused ? cudnnAttention() : undefined,
    donated: DONATED,
    partitions,
    batched: step.batched,
  }).text;
}

/** Compiles for that GPU; resolves to the module as XLA leaves it. */
async function compiled(cuda: Plugin, module: string): Promise<string> {
  const topologyName = Buffer.from('h100');
  const options = { target_config: H100, topology: `1x1x${partitions}` };
  const topology = cuda
    .call('PJRT_TopologyDescription_Create', {
      topology_name: topologyName,
      topology_name_size: topologyName.length,
      create_options: namedValues(options),
      num_options: 2,
    })
    .pointer('topology');
  const compile_options = compileOptions({ partitions });
  await cuda.callAsync('PJRT_Compile', {
    topology,
    program: stablehloProgram(module),
    compile_options,
    compile_options_size: compile_options.length,
  });
  const files = readdirSync(dump);
  const text = readFileSync(join(dump, files.find((file) => file.endsWith('after_optimizations.txt'))!), 'utf8');
  for (const file of files) rmSync(join(dump, file));
  return text;
}

const SIZES: Readonly<Record<string, number>> = { f32: 4, bf16: 2, f16: 2, s32: 4, u32: 4, u8: 1, s8: 1, pred: 1 };

/** Of `(f32[128,768]{1,0}, bf16[…])`, all that it names. */
function bytesOf(type: string): number {
  return [...type.matchAll(/\b(\w+)\[([\d,]*)\]/g)].reduce(
    (sum, [, dtype, shape]) =>
      sum +
      (SIZES[dtype] ?? 0) * (shape === '' ? [] : shape.split(',')).reduce((product, size) => product * Number(size), 1),
    0,
  );
}

/** Operations that are no kernels. */
const FREE = new Set(['parameter', 'get-tuple-element', 'bitcast', 'tuple', 'constant']);

/** The kernels of the entry computation: of which kind, and what they read and write at least once. */
function kernelsOf(text: string): { readonly kind: string; readonly bytes: number }[] {
  const types = new Map<string, string>();
  const kernels: { kind: string; bytes: number }[] = [];
  for (const line of text.slice(text.indexOf('\nENTRY')).split('\n')) {
    const found = /^\s*(?:ROOT )?%([\w.-]+) = (.*?) ([a-z][\w-]*)\((.*?)\)(.*)$/.exec(line);
    if (!found) continue;
    const [, value, type, operation, operands, attributes] = found;
    types.set(value, type);
    if (FREE.has(operation)) continue;
    const read = new Set([...operands.matchAll(/%([\w.-]+)/g)].map(([, operand]) => operand));
    const bytes = [...read].reduce((sum, operand) => sum + bytesOf(types.get(operand) ?? ''), bytesOf(type));
    const target = /custom_call_target="([^"]+)"/.exec(attributes)?.[1];
    kernels.push({ kind: target ?? value.replace(/[._]?\d+$/, ''), bytes });
  }
  return kernels;
}

it.skipIf(absent !== null).each(['fading', 'adapters'] as const)(`%s${skipNote(absent)}`, async (phase) => {
  // Read when the plugin is loaded. NVIDIA's compiler lies beside it, where pip has put it.
  const packages = join(plugin!.path, '../../..');
  process.env.XLA_FLAGS ??= `--xla_gpu_cuda_data_dir=${join(packages, 'nvidia/cu13')} --xla_dump_to=${dump} --xla_dump_hlo_as_text`;
  const text = await compiled(loadPlugin(plugin!.path), moduleOf(phase));
  const kernels = kernelsOf(text);
  expect(kernels.length).toBeGreaterThan(100);
  const kinds = new Map<string, { count: number; bytes: number }>();
  for (const { kind, bytes } of kernels) {
    const { count, bytes: before } = kinds.get(kind) ?? { count: 0, bytes: 0 };
    kinds.set(kind, { count: count + 1, bytes: before + bytes });
  }
  const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(2)} GB`;
  const total = kernels.reduce((sum, { bytes }) => sum + bytes, 0);
  const lines = [...kinds]
    .sort(([, a], [, b]) => b.bytes - a.bytes)
    .slice(0, 20)
    .map(([kind, { count, bytes }]) => `${gigabytes(bytes).padStart(10)}  ${String(count).padStart(4)} × ${kind}`);
  console.log(`${name}, batch ${batch}, ${phase}: ${kernels.length} kernels, ${gigabytes(total)}\n${lines.join('\n')}`);
});
