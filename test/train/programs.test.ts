import { expect, it } from 'vitest';
import type { Program } from '../../cli/engines/engine.ts';
import { createPrograms } from '../../cli/train/programs.ts';

it('compiles each length once, tries again what failed, and ends all that there is', async () => {
  const compiled: (number | null)[] = [];
  const ended: (number | null)[] = [];
  const programs = createPrograms(async (tokens) => {
    compiled.push(tokens);
    if (tokens === 16 && compiled.filter((one) => one === 16).length === 1) throw new Error('no room');
    return { dispose: async () => void ended.push(tokens) } as unknown as Program;
  });
  await programs.at(8);
  expect(await programs.at(8)).toBe(await programs.at(8));
  await expect(programs.at(16)).rejects.toThrow('no room');
  await programs.at(16);
  await programs.at(32);
  await programs.dispose();
  expect([compiled, ended]).toEqual([
    [8, 16, 16, 32],
    [8, 16, 32],
  ]);
});

it('a program that could not be compiled keeps no other from being ended', async () => {
  const ended: (number | null)[] = [];
  const programs = createPrograms((tokens) =>
    tokens === 16
      ? new Promise<Program>((_, reject) => setTimeout(() => reject(new Error('no room')), 20))
      : Promise.resolve({ dispose: async () => void ended.push(tokens) } as unknown as Program),
  );
  const failing = programs.at(16);
  failing.catch(() => undefined);
  await programs.at(8);
  await programs.dispose();
  expect(ended).toEqual([8]);
  await expect(failing).rejects.toThrow('no room');
});
