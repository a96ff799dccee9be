/** The device that --device webgpu is tested on: SwiftShader, a Vulkan driver that computes on the CPU. */
import type { Engine } from '../../cli/engines/engine.ts';
import { createWebgpuEngine } from '../../cli/engines/onnx/webgpu.ts';
import { notInstalled, swiftShader } from '../contract/hosts/installed.ts';

/** Why a test of WebGPU is skipped; null where it runs. */
export const withoutWebgpu =
  swiftShader === null ? notInstalled('apt-get install chromium libvulkan1 (its SwiftShader)') : null;

/** What has Vulkan's loader take SwiftShader, and nothing else that this machine may have; read when it opens. */
export const vulkanEnvironment: Readonly<Record<string, string>> =
  swiftShader === null ? {} : { VK_DRIVER_FILES: swiftShader, VK_ICD_FILENAMES: swiftShader };
Object.assign(process.env, vulkanEnvironment);

/** What hides every adapter from Vulkan's loader. */
export const noVulkan: Readonly<Record<string, string>> = {
  VK_DRIVER_FILES: '/nonexistent.json',
  VK_ICD_FILENAMES: '/nonexistent.json',
};

/** The onnx engine there. */
export function createTestWebgpuEngine(): Promise<Engine> {
  if (withoutWebgpu !== null) throw new Error(withoutWebgpu);
  return createWebgpuEngine({ stderr: process.stderr, signal: new AbortController().signal });
}
