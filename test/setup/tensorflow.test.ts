/**
 * `slim setup tensorflow`. Stand-ins play npm, python3 with its pip, and g++: what the real ones build, .ci/run sees, and
 * contract/tensorflow.test.ts computes with.
 */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { BINDING, type TensorflowVariant, TFJS_NODE } from '../../cli/engines/tfjs/tensorflow.ts';
import { expectPlatform, TENSORFLOW_WHEELS } from '../../cli/setup/tensorflow.ts';
import npmPackages from '../../cli/setup/tensorflow-packages/package.json' with { type: 'json' };
import lock from '../../cli/setup/tensorflow-packages/package-lock.json' with { type: 'json' };
import manifest from '../../package.json' with { type: 'json' };
import ownLock from '../../package-lock.json' with { type: 'json' };
import { projectFolder } from '../support/imports.ts';
import { layOutInstallation } from '../support/installation.ts';
import { type Running, SLIM, startCommand } from '../support/process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { layOutStandIn, SOUND_BINDING, type StandIn } from '../support/tfjs-node.ts';

const folder = temporaryFolder();
const cache = join(folder, 'cache');
const calls = join(folder, 'calls');
const programs = join(folder, 'bin');
const place = join(cache, 'tensorflow', 'cpu');
const inCache = (): string[] => (existsSync(join(cache, 'tensorflow')) ? readdirSync(join(cache, 'tensorflow')) : []);
const called = (): string[] => (existsSync(calls) ? readFileSync(calls, 'utf8').trimEnd().split('\n') : []);

/** Programs in bash that know the system's own, and say how they were called. */
const shell = (name: string, script: string): string => `PATH=/usr/bin:/bin\necho "${name} $@" >> ${calls}\n${script}`;
const PIP = shell(
  'python3',
  `while [ "$1" != --target ]; do shift; done
  mkdir -p "$2/bin" "$2/tensorflow/include" "$2/tensorflow/python"
  for name in libtensorflow_cc.so.2 libtensorflow_framework.so.2 THIRD_PARTY_NOTICES.txt __init__.py; do
    echo "$name" > "$2/tensorflow/$name"
  done
  echo "  Downloading a-wheel.whl (274 MB)"`,
);
const COMPILER = shell('g++', `[ "$1" = --version ] && exit; printf ${JSON.stringify(SOUND_BINDING)} > "\${@: -1}"`);
const FAILS = 'console.error("npm error code ENOTFOUND"); process.exit(1);';

/** npm as a script: it leaves what `npm ci` would. */
function npm(variant: TensorflowVariant, standIn: StandIn = {}): string {
  const packages = join(folder, 'packages');
  rmSync(packages, { recursive: true, force: true });
  layOutStandIn(packages, variant, { ...standIn, binding: null });
  return `
    const { appendFileSync, cpSync, readFileSync } = require('node:fs');
    const { name } = JSON.parse(readFileSync('package-lock.json', 'utf8'));
    appendFileSync(${JSON.stringify(calls)}, 'npm ' + process.argv.slice(2).join(' ') + ' of ' + name + '\\n');
    cpSync(${JSON.stringify(packages)}, '.', { recursive: true });`;
}

interface Programs {
  readonly npm?: string;
  readonly python3?: string | null;
  readonly compiler?: string | null;
  readonly 'nvidia-smi'?: string;
}

/** Slim, with these programs on the PATH and no others. */
function start(given: Programs, ...args: string[]): Running {
  rmSync(programs, { recursive: true, force: true });
  mkdirSync(programs);
  const script = join(folder, 'npm-cli.js');
  writeFileSync(script, given.npm ?? npm('cpu'));
  const { python3 = PIP, compiler = COMPILER } = given;
  for (const [name, text] of Object.entries({ python3, 'g++': compiler, 'nvidia-smi': given['nvidia-smi'] ?? null })) {
    if (text === null) continue;
    writeFileSync(join(programs, name), `#!/bin/bash\n${text}`);
    chmodSync(join(programs, name), 0o755);
  }
  const env = { ...process.env, SLIM_CACHE: cache, PATH: programs, npm_execpath: script };
  return startCommand(process.execPath, [SLIM, ...args], { env });
}

beforeEach(() => {
  for (const path of [cache, calls]) rmSync(path, { recursive: true, force: true });
});

describe('slim setup tensorflow', () => {
  it('builds it once, of what npm and pip bring, and has it compute a product', async () => {
    const { code, stdout, stderr } = await start({}, 'setup', 'tensorflow', '--json').exit;
    expect(stderr).toBe(
      `bringing tensorflow-cpu 2.21.0 and @tensorflow/tfjs-node 4.22.0 (about 330 MB, once) into ${place}\n` +
        'Downloading a-wheel.whl (274 MB)\ncompiling the binding with g++\n',
    );
    expect([code, JSON.parse(stdout)]).toEqual([
      0,
      { version: 1, folder: place, computes: 'tfjs 4.22.0 (TensorFlow 2.21.0, cpu)' },
    ]);
    const [version, packages, wheel, compiled, ...others] = called();
    expect([version, others]).toEqual(['g++ --version', []]);
    expect(packages).toMatch(/^npm ci --ignore-scripts .* of slim-tensorflow$/);
    expect(wheel).toMatch(
      /^python3 -m pip install --no-deps --only-binary=:all: .*--python-version=3\.12 .* --target \S+\/wheels tensorflow-cpu==2\.21\.0$/,
    );
    expect(compiled).toBe(
      'g++ -O2 -std=gnu++17 -fPIC -shared -DNAPI_VERSION=8 -I node_modules/node-api-headers/include -I wheels/tensorflow/include ' +
        'node_modules/@tensorflow/tfjs-node/binding/tfjs_backend.cc node_modules/@tensorflow/tfjs-node/binding/tfjs_binding.cc ' +
        'wheels/tensorflow/libtensorflow_cc.so.2 wheels/tensorflow/libtensorflow_framework.so.2 ' +
        `-Wl,-rpath,$ORIGIN/../../../../../wheels/tensorflow -o node_modules/@tensorflow/tfjs-node/${BINDING}`,
    );
    expect(inCache()).toEqual(['cpu']);
    expect([readdirSync(join(place, 'wheels')), readdirSync(join(place, 'wheels', 'tensorflow')).sort()]).toEqual([
      ['tensorflow'],
      ['THIRD_PARTY_NOTICES.txt', 'libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'],
    ]);
    const again = await start({}, 'setup', 'tensorflow').exit;
    expect([again.code, again.stderr, again.stdout, called().length]).toEqual([
      0,
      '',
      `tensorflow is in ${place}: tfjs 4.22.0 (TensorFlow 2.21.0, cpu)\n`,
      4,
    ]);
  });

  it.each([
    ['of another version', 'contents.json', '{}', ''],
    ['cut short', 'wheels/tensorflow/libtensorflow_cc.so.2', 'lib', ''],
    ['gone', 'wheels/tensorflow/libtensorflow_framework.so.2', null, ''],
    [
      'damaged',
      `node_modules/@tensorflow/tfjs-node/${BINDING}`,
      SOUND_BINDING.replace('c', 'k'),
      'does not load: invalid ELF',
    ],
  ])('builds anew what is %s', async (_, file, text, message) => {
    await start({}, 'setup', 'tensorflow').exit;
    if (text === null) rmSync(join(place, file));
    else writeFileSync(join(place, file), text);
    const { code, stderr, stdout } = await start({}, 'setup', 'tensorflow').exit;
    expect([code, stderr, stdout]).toEqual([
      0,
      expect.stringContaining(message),
      expect.stringMatching('^tensorflow is in '),
    ]);
    expect(stderr).toContain('bringing tensorflow-cpu');
    expect([inCache(), called().length]).toEqual([['cpu'], 8]);
  });

  it('keeps what does not load until there is another', async () => {
    await start({}, 'setup', 'tensorflow').exit;
    const binding = join(place, `node_modules/@tensorflow/tfjs-node/${BINDING}`);
    const damaged = SOUND_BINDING.replace('c', 'k');
    writeFileSync(binding, damaged);
    const { code, stderr } = await start({ npm: FAILS }, 'setup', 'tensorflow').exit;
    expect([code, stderr]).toEqual([1, expect.stringMatching(/does not load: invalid ELF(.|\n)*code ENOTFOUND/)]);
    expect([inCache(), readFileSync(binding, 'utf8')]).toEqual([['cpu'], damaged]);
  });

  it('builds anew what multiplies wrongly', async () => {
    await start({ npm: npm('cpu', { onLoad: 'Array.prototype.reduce = () => 1;' }) }, 'setup', 'tensorflow').exit;
    const { code, stderr } = await start({}, 'setup', 'tensorflow').exit;
    expect([code, stderr]).toEqual([0, expect.stringMatching(/computes a product wrongly(.|\n)*\nbringing /)]);
    expect([inCache(), called().length]).toEqual([['cpu'], 8]);
  });

  it('keeps what was killed: it may be sound', async () => {
    await start({}, 'setup', 'tensorflow').exit;
    layOutStandIn(place, 'cpu', { onLoad: 'process.kill(process.pid, "SIGKILL");' });
    const { code, stderr } = await start({}, 'setup', 'tensorflow').exit;
    const tfjsNode = join(place, 'node_modules/@tensorflow/tfjs-node');
    expect([code, stderr]).toEqual([
      1,
      `error: ${tfjsNode} ends the process that loads it: it says nothing\n` +
        `hint: TensorFlow needs a processor with AVX. Else remove ${tfjsNode}, and run slim setup tensorflow.\n`,
    ]);
    expect([existsSync(join(place, 'contents.json')), called().length]).toEqual([true, 4]);
  });

  it.each<[string, Programs, string, string]>([
    ['no g++', { compiler: null }, 'no g++ is on the PATH', 'Install it (sudo apt-get install g++)'],
    ['no npm packages', { npm: FAILS }, 'code ENOTFOUND', 'Check the network, then run slim setup tensorflow again.'],
    ['no python3', { python3: null }, 'no python3 is on the PATH', 'Install Python 3 with pip'],
    ['no pip', { python3: 'echo "No module named pip" >&2; exit 1' }, 'No module named pip', 'Install pip'],
    [
      'no wheel',
      { python3: 'echo "ERROR: No matching distribution found for x" >&2; exit 1' },
      'No matching distribution found for x',
      'The wheels are made for Linux',
    ],
    [
      'no C++17',
      { compiler: '[ "$1" = --version ] && exit; echo "a.cc:1: error: no such thing" >&2; echo more >&2; exit 1' },
      'g++ ended with 1: a.cc:1: error: no such thing',
      "TensorFlow's headers are written in C++17",
    ],
  ])('says what went wrong and what to do, and leaves nothing: %s', async (_, given, message, hint) => {
    const { code, stderr } = await start(given, 'setup', 'tensorflow').exit;
    expect(code).toBe(1);
    expect(stderr).toContain(message);
    expect(stderr).toContain(`hint: ${hint}`);
    expect(inCache()).toEqual([]);
  });

  it('keeps what was built but does not load, and says so', async () => {
    const compiler = COMPILER.replace('compiled', 'otherwise');
    const { code, stderr } = await start({ compiler }, 'setup', 'tensorflow').exit;
    expect(code).toBe(1);
    expect(stderr).toContain(
      `error: ${join(place, 'node_modules/@tensorflow/tfjs-node', BINDING)} does not load: invalid ELF header\n`,
    );
  });

  it('ends with Ctrl-C, and leaves nothing', async () => {
    const running = start(
      { python3: 'echo "  Downloading it"; PATH=/usr/bin:/bin exec sleep 600' },
      'setup',
      'tensorflow',
    );
    await running.saw(/Downloading it/);
    running.child.kill('SIGINT');
    const { code } = await running.exit;
    expect([code, inCache()]).toEqual([130, []]);
  });

  it('is for Linux on x86-64', () => {
    expect(() => expectPlatform('linux-x64')).not.toThrow();
    expect(() => expectPlatform('darwin-arm64')).toThrow('builds for linux-x64, and this is darwin-arm64');
  });
});

describe('slim setup tensorflow --gpu', () => {
  const driver = { 'nvidia-smi': 'echo 580.65.06' };

  it.each([
    [true, 0, ''],
    [
      false,
      1,
      'but finds no GPU: tfjs 4.22.0 (TensorFlow 2.21.0, cpu, for it finds no GPU)\nhint: Does nvidia-smi see one?',
    ],
  ])('builds the one for GPUs, which has to find one: %s', async (usesGpu, exitCode, message) => {
    const { code, stderr } = await start({ ...driver, npm: npm('gpu', { usesGpu }) }, 'setup', 'tensorflow', '--gpu')
      .exit;
    expect([code, stderr]).toEqual([exitCode, expect.stringContaining(message)]);
    expect(stderr).toMatch(
      "bringing tensorflow 2.21.0, 12 wheels of NVIDIA's and @tensorflow/tfjs-node-gpu 4.22.0 (about 3.3 GB",
    );
    expect(called()[2]).toMatch(/ tensorflow==2\.21\.0 nvidia-cublas-cu12==\S+ .*nvidia-curand-cu12==\S+$/);
    expect(inCache()).toEqual(['gpu']);
  });

  it('says where there is no driver, or one that is too old', async () => {
    const { code, stderr } = await start({ 'nvidia-smi': 'echo 470.1.2' }, 'setup', 'tensorflow', '--gpu').exit;
    expect([code, stderr.split('\n')[0], called()]).toEqual([1, 'error: the NVIDIA driver 470.1.2 is too old', []]);
  });

  it('is for tensorflow alone', async () => {
    const { code, stderr } = await start({}, 'setup', 'xla-cpu', '--gpu').exit;
    expect([code, stderr]).toEqual([
      2,
      'error: --gpu is for slim setup tensorflow, not for xla-cpu\nhint: Leave it out.\n',
    ]);
  });
});

it.each([
  [{ binding: null }, 'whose binding was never fetched', `has no native binding, ${BINDING}`],
  [{ version: '4.21.0' }, 'of another version', 'is 4.21.0, and slim takes 4.22.0'],
])('a tfjs-node beside slim with %j, %s, is no bug of slim: it names the command', async (standIn, _, message) => {
  const installation = join(folder, 'installation');
  rmSync(installation, { recursive: true, force: true });
  const installed = layOutInstallation(installation);
  const beside = layOutStandIn(installation, 'cpu', standIn);
  const env = { ...process.env, SLIM_CACHE: cache, NODE_PATH: '' };
  const args = ['bench', 'train-step', '--model', 'vit-pico', '--engine', 'tfjs', '--device', 'cpu'];
  const { code, stderr } = await startCommand(process.execPath, [installed, ...args], { env }).exit;
  expect([code, stderr]).toEqual([
    1,
    `error: @tensorflow/tfjs-node in ${beside} ${message}\n` +
      'hint: slim setup tensorflow builds one that works here.\n',
  ]);
});

describe('what comes', () => {
  it('is exact: every wheel has one version', () => {
    for (const { wheels } of Object.values(TENSORFLOW_WHEELS))
      for (const wheel of wheels) expect(wheel).toMatch(/^[a-z0-9-]+==\d+(\.\d+)+$/);
    expect(Object.values(TENSORFLOW_WHEELS).map(({ wheels }) => wheels[0].split('==')[1])).toEqual([
      '2.21.0',
      '2.21.0',
    ]);
  });

  it('is one tfjs, here, there and beside', () => {
    const { devDependencies, peerDependencies, peerDependenciesMeta } = manifest;
    const tfjs = devDependencies['@tensorflow/tfjs'];
    for (const name of Object.values(TFJS_NODE))
      expect([npmPackages.dependencies[name], peerDependencies[name], peerDependenciesMeta[name]]).toEqual([
        tfjs,
        tfjs,
        { optional: true },
      ]);
    const others: Record<string, Locked> = ownLock.packages;
    for (const [path, { version, integrity }] of locked.filter(([path]) =>
      /^node_modules\/@tensorflow\/tfjs(?!-node)[^/]*$/.test(path),
    ))
      expect([path, version, integrity]).toEqual([path, others[path].version, others[path].integrity]);
  });

  it('npm knows by its hash, wherever its registry is', () => {
    expect(lock.packages[''].dependencies).toEqual(npmPackages.dependencies);
    for (const [path, { integrity, resolved }] of locked)
      expect([path, integrity, resolved]).toEqual([path, expect.stringMatching(/^sha512-/), undefined]);
    for (const name of ['package.json', 'package-lock.json'])
      expect(readFileSync(join(projectFolder, 'dist/tensorflow', name), 'utf8')).toBe(
        readFileSync(join(projectFolder, 'cli/setup/tensorflow-packages', name), 'utf8'),
      );
    expect(
      Object.keys(ownLock.packages).filter((path) => path.includes('tfjs-node')),
      'npm ci brings none',
    ).toEqual([]);
  });
});

interface Locked {
  readonly version?: string;
  readonly integrity?: string;
  readonly resolved?: string;
}
const locked = Object.entries(lock.packages as Record<string, Locked>).filter(([path]) => path !== '');
