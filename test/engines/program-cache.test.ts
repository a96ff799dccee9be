/** Compiled programs on disk: hits, misses, damage, and the room that they may take. */
import { existsSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { type Engine, floats } from '../../cli/engines/engine.ts';
import { createProgramCache, programKey } from '../../cli/engines/xla/program-cache.ts';
import { gelu } from '../../cli/graph/ops/gelu.ts';
import { input } from '../../cli/graph/ops/leaf.ts';
import { skipNote } from '../contract/hosts/installed.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { createTestXlaEngine, withoutXla } from '../support/xla.ts';

const work = temporaryFolder();
let count = 0;
let folder: string;
beforeEach(() => {
  folder = join(work, String(count++));
});

const bytes = (length: number, value = 1): Uint8Array => new Uint8Array(length).fill(value);
const fileOf = (key: string): string => join(folder, `${key}.program`);

describe('a program cache', () => {
  it('gives what was put, and null for what was not', async () => {
    const cache = createProgramCache(folder);
    expect(await cache.get('a')).toBeNull();
    await cache.put('a', bytes(10, 7));
    expect(new Uint8Array((await cache.get('a'))!)).toEqual(bytes(10, 7));
    expect(await createProgramCache(folder).get('a')).not.toBeNull();
    await cache.remove('a');
    expect(await cache.get('a')).toBeNull();
  });

  it.each([
    ['cut short', (file: Buffer) => file.subarray(0, file.length - 1)],
    ['cut to nothing', () => Buffer.alloc(0)],
    ['changed', (file: Buffer) => Buffer.concat([file.subarray(0, -1), Buffer.of(9)])],
  ])('removes a file that was %s', async (_, damage) => {
    const cache = createProgramCache(folder);
    await cache.put('a', bytes(10));
    writeFileSync(fileOf('a'), damage(readFileSync(fileOf('a'))));
    expect(await cache.get('a')).toBeNull();
    expect(existsSync(fileOf('a'))).toBe(false);
  });

  it('keeps to its size: what was not used for longest goes first', async () => {
    const cache = createProgramCache(folder, 500);
    for (const [i, key] of ['a', 'b', 'c'].entries()) {
      await cache.put(key, bytes(100));
      utimesSync(fileOf(key), 1000 + i, 1000 + i);
    }
    await cache.get('a'); // used now
    await cache.put('d', bytes(100));
    expect(readdirSync(folder).sort()).toEqual(['a.program', 'c.program', 'd.program']);
    const total = readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
    expect(total).toBeLessThanOrEqual(500);
  });

  it('does not keep what is larger than all of it', async () => {
    const cache = createProgramCache(folder, 500);
    await cache.put('a', bytes(100));
    await cache.put('b', bytes(600));
    expect(readdirSync(folder)).toEqual(['a.program']);
  });

  it('goes without where it may not write', async () => {
    writeFileSync(join(work, 'file'), '');
    const cache = createProgramCache(join(work, 'file', 'below'));
    await expect(cache.put('a', bytes(10))).resolves.toBeUndefined();
  });

  it('has a key for each list of facts', () => {
    expect(programKey(['ab', 'c'])).not.toBe(programKey(['a', 'bc']));
    expect(programKey(['a', bytes(1)])).not.toBe(programKey(['a', bytes(1, 2)]));
    expect(programKey(['a'])).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe.skipIf(withoutXla !== null)(`the xla engine with a cache${skipNote(withoutXla)}`, () => {
  const graph = { outputs: { y: gelu(input('x', [4])) } };

  async function compute(engine: Engine): Promise<number[]> {
    const program = await engine.compile(graph);
    const { y } = await program.run({ x: engine.upload(floats(Float32Array.of(-1, 0, 1, 2), [4])) });
    const values = [...(await y.read())];
    await program.dispose();
    return values;
  }

  it('reads what it compiled before, also in another process', async () => {
    const cache = createProgramCache(folder);
    const asked: boolean[] = [];
    const told = {
      ...cache,
      get: async (key: string) => {
        const found = await cache.get(key);
        asked.push(found !== null);
        return found;
      },
    };
    const first = await createTestXlaEngine({ cache: told });
    const values = await compute(first);
    await first.dispose();
    const second = await createTestXlaEngine({ cache: told });
    expect(await compute(second)).toEqual(values);
    await second.dispose();
    expect(asked).toEqual([false, true]);
  });

  it('keeps programs of different products apart', async () => {
    const cache = createProgramCache(folder);
    for (const precision of ['f32', 'bf16'] as const) {
      const engine = await createTestXlaEngine({ cache, precision });
      const a = input('a', [2, 2]);
      const { matmul } = await import('../../cli/graph/ops/matmul.ts');
      await (await engine.compile({ outputs: { y: matmul(a, a) } })).dispose();
      await engine.dispose();
    }
    expect(readdirSync(folder)).toHaveLength(2);
  });

  it('compiles anew what was damaged, or is whole and no program, and replaces it', async () => {
    const cache = createProgramCache(folder);
    const engine = await createTestXlaEngine({ cache });
    const values = await compute(engine);
    const [name] = readdirSync(folder);
    const whole = readFileSync(join(folder, name));
    writeFileSync(join(folder, name), whole.subarray(0, 100));
    expect(await compute(engine)).toEqual(values);
    expect(readFileSync(join(folder, name)).length).toBe(whole.length);
    await cache.put(name.replace('.program', ''), bytes(50));
    expect(await compute(engine)).toEqual(values);
    expect(readFileSync(join(folder, name)).length).toBe(whole.length);
    await engine.dispose();
  });
});
