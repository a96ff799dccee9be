/** The PJRT client on the CPU plugin: what it refuses, what it tells of errors, and that Node goes on meanwhile. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Client, createClient } from '../../cli/engines/xla/pjrt/client.ts';
import { compileOptions } from '../../cli/engines/xla/pjrt/compile-options.ts';
import { checkedVersion, loadPlugin, PjrtError } from '../../cli/engines/xla/pjrt/plugin.ts';
import { Struct, sizeOf, structArray } from '../../cli/engines/xla/pjrt/struct.ts';
import { UserError } from '../../cli/io/errors.ts';
import { writeFileAtomic } from '../../cli/io/files.ts';
import { skipNote } from '../contract/hosts/installed.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { cpuPlugin, withoutXla } from '../support/xla.ts';

const work = temporaryFolder();

describe('a struct', () => {
  const layout = { flag: 'bool', code: 'int32', address: 'pointer', small: 'bool', count: 'size' } as const;

  it('lies as a C compiler lays it out', () => {
    // size_t, void*, bool + 3, int32, void*, bool + 7, size_t
    expect(sizeOf(layout)).toBe(48);
    const struct = new Struct(layout, { flag: true, code: -2, address: 5n, small: false, count: 7 });
    expect([struct.bytes[16], struct.bytes.readInt32LE(20), struct.bytes.readBigUInt64LE(40)]).toEqual([1, -2, 7n]);
    expect([struct.number('code'), struct.pointer('address'), struct.number('count')]).toEqual([-2, 5n, 7]);
  });

  it('says its size, with zeros in reserve for fields of a newer interface', () => {
    const { bytes } = new Struct(layout);
    expect(bytes.readBigUInt64LE(0)).toBe(BigInt(bytes.length));
    expect(bytes.length).toBeGreaterThan(sizeOf(layout));
    expect(bytes.subarray(8).every((byte) => byte === 0)).toBe(true);
  });

  it('stands in an array without a reserve', () => {
    const { bytes } = structArray(layout, [{ code: 1 }, { code: 2 }]);
    expect(bytes.byteLength).toBe(2 * 48);
  });
});

describe('a version of the interface', () => {
  it.each([57, 94, 115, 400])('0.%i is spoken', (minor) => {
    expect(checkedVersion('p.so', { major: 0, minor })).toEqual({ major: 0, minor });
  });

  it.each([
    [0, 56],
    [1, 0],
  ])('%i.%i is refused, and both versions are named', (major, minor) => {
    expect(() => checkedVersion('p.so', { major, minor })).toThrow(
      `the plugin p.so speaks version ${major}.${minor} of the PJRT C API; slim speaks 0.57 and later of 0`,
    );
  });
});

describe('a plugin', () => {
  const refusal = (path: string): UserError => {
    try {
      loadPlugin(path);
    } catch (error) {
      return error as UserError;
    }
    throw new Error(`${path} was taken`);
  };

  it('that is missing is named', () => {
    const error = refusal('/nowhere/plugin.so');
    expect(error).toBeInstanceOf(UserError);
    expect(error.message).toBe('the PJRT plugin /nowhere/plugin.so is not there');
  });

  it('that is no shared library is named, with why', async () => {
    const path = join(work, 'text.so');
    await writeFileAtomic(path, 'not a library');
    const error = refusal(path);
    expect(error).toBeInstanceOf(UserError);
    expect(error.message).toMatch(/text\.so is no PJRT plugin: .*(file too short|invalid ELF|not a mach-o)/i);
    expect(error.hint).toContain('slim setup');
  });

  it('that is another library is named', () => {
    const path = createRequire(import.meta.url).resolve('onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime.so.1');
    expect(refusal(path).message).toContain('is no PJRT plugin');
  });
});

const ADD = `module @add {
  func.func public @main(%a: tensor<3xf32>, %b: tensor<3xf32>) -> (tensor<3xf32>) {
    %c = "stablehlo.add"(%a, %b) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
    return %c : tensor<3xf32>
  }
}`;

describe.skipIf(withoutXla !== null)(`a client${skipNote(withoutXla)}`, () => {
  let client: Client;
  const upload = (...values: number[]) =>
    client.upload(Float32Array.from(values), 'f32', [values.length], client.devices[0]);
  beforeAll(async () => {
    client = await createClient(loadPlugin(cpuPlugin!));
  });
  afterAll(() => client.destroy());

  it('tells what it computes on', () => {
    expect(client.platform).toBe('cpu');
    expect(client.devices.length).toBeGreaterThan(0);
    expect(client.plugin.attributes.stablehlo_current_version).toMatch(/^1\.\d+\.\d+$/);
  });

  it('compiles, runs, and reads; a program that was written and read does the same', async () => {
    const compiled = await client.compile(ADD, compileOptions());
    const reread = await client.deserialize(await client.serialize(compiled));
    for (const program of [compiled, reread]) {
      const [[sum]] = await client.execute(program, [[upload(1, 2, 3), upload(10, 20, 30)]], 1);
      const values = new Float32Array(3);
      await client.download(sum, values);
      expect([...values]).toEqual([11, 22, 33]);
      client.destroyBuffer(sum);
      client.destroyExecutable(program);
    }
  });

  it('tells what memory a program takes', async () => {
    const program = await client.compile(ADD, compileOptions());
    expect(client.memoryOf(program)).toBeGreaterThanOrEqual(3 * 12);
    client.destroyExecutable(program);
  });

  it.each([
    ['module { nonsense }', 'nonsense'],
    [ADD.replace('(%a, %b)', '(%a, %z)'), 'undeclared SSA value'],
  ])('passes on what is wrong with a module: %j', async (module, why) => {
    const compiling = client.compile(module, compileOptions());
    await expect(compiling).rejects.toThrow(PjrtError);
    await expect(compiling).rejects.toThrow(why);
  });

  it('passes on a code: arguments of another size', async () => {
    const program = await client.compile(ADD, compileOptions());
    const running = client.execute(program, [[upload(1, 2, 3), upload(1, 2)]], 1);
    await expect(running).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    client.destroyExecutable(program);
  });

  it('leaves the event loop alone while it compiles', async () => {
    const layers = Array.from(
      { length: 40 },
      (_, i) => `%x${i + 1} = "stablehlo.tanh"(%y${i}) : (tensor<64x64xf32>) -> tensor<64x64xf32>
      %y${i + 1} = "stablehlo.dot_general"(%x${i + 1}, %x0)
        {dot_dimension_numbers = #stablehlo.dot<lhs_contracting_dimensions = [1], rhs_contracting_dimensions = [0]>} :
        (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>`,
    );
    const module = `module @deep { func.func public @main(%x0: tensor<64x64xf32>) -> (tensor<64x64xf32>) {
      %y0 = "stablehlo.negate"(%x0) : (tensor<64x64xf32>) -> tensor<64x64xf32>
      ${layers.join('\n')}
      return %y40 : tensor<64x64xf32> } }`;
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    const started = performance.now();
    const program = await client.compile(module, compileOptions());
    const took = performance.now() - started;
    clearInterval(timer);
    // On a machine of its own, one a millisecond; here others may have the processors.
    expect(ticks).toBeGreaterThan(took / 50);
    client.destroyExecutable(program);
  });
});
