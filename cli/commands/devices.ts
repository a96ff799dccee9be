import type { Command } from 'commander';
import { addResultOptions, createCommand, resolveFlags } from '../args.ts';
import { type DeviceReport, listDevices } from '../engines/devices.ts';
import { type Io, untilInterrupted } from '../io/io.ts';
import { printResult } from './result.ts';

/** `slim devices`: what could compute here. */
export function devicesCommand(io: Io): Command {
  const command = createCommand(
    'devices',
    'what could compute here, or why not',
    `Lists every engine (--engine) and device (--device) of this machine: its name, memory and what computes on it in
which version; or why it can't, and the command that mends that. Nothing is brought.`,
    ['slim devices', 'slim devices --json'],
  );
  addResultOptions(command);
  return command.action(async () => {
    const { json } = await resolveFlags<{ json: boolean }>(command);
    const devices = await untilInterrupted(io.signal, listDevices(io));
    printResult(io, json, { devices }, [...new Set(devices.map((device) => lineOf(device, devices)))].join('\n'));
  });
}

/** `onnx  cpu     AMD EPYC, 2 threads, 25.3 GB, onnxruntime 1.30.0`; devices that are alike have one line. */
function lineOf(report: DeviceReport, all: readonly DeviceReport[]): string {
  const { engine, device, name, memoryBytes, version, problem, remedy, note } = report;
  const place = `${engine.padEnd(4)}  ${device.padEnd(6)}  `;
  const more = remedy === '' ? '' : `. ${remedy}`;
  if (problem !== null) return `${place}-  ${problem}${more}`;
  const alike = all.filter((other) => other.engine === engine && other.device === device && other.name === name).length;
  const memory = memoryBytes === null ? [] : [`${(memoryBytes / 1e9).toFixed(1)} GB`];
  const facts = [alike > 1 ? `${alike} × ${name}` : (name ?? 'an adapter'), ...memory, version];
  return place + facts.join(', ') + (note && `; ${note}`) + more;
}
